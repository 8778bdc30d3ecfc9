package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"gopush/internal/pages"
)

// Every command of gopush in a block of the documentation, run or not, is one that it has, with
// flags and arguments that it takes; so are the flags that a text speaks of.
//
// Broken once by a flag that there is not, in a block and in a text.
func TestPagesCommands(t *testing.T) {
	all, err := pages.All("../..")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, p := range all {
		for _, f := range p.Fences() {
			if f.Lang != "sh" {
				continue
			}
			for _, args := range commandLines(f.Text) {
				seen++
				if err := parses(args); err != nil {
					t.Errorf("%s:%d: gopush %s: %v", p.Path, f.Line, strings.Join(args, " "), err)
				}
			}
		}
		for n, line := range p.Prose() {
			for _, m := range named.FindAllStringSubmatch(line, -1) {
				seen++
				if err := known(strings.Fields(m[1])); err != nil {
					t.Errorf("%s:%d: %s: %v", p.Path, n+1, m[0], err)
				}
			}
		}
	}
	if seen < 100 {
		t.Errorf("%d commands were found", seen)
	}
}

var (
	// named is a command in the middle of a text.
	named = regexp.MustCompile("`gopush ([a-z][^`]*)`")
	// begins is where a command begins in a script; what stands before the name is its path.
	begins = regexp.MustCompile(`(?m)(?:^|[|(;&] *|[A-Z_]+=\S+ )(?:build/|\S*run )?gopush ((?:'[^']*'|"[^"]*"|[^'"|)\n#;&<>])*)`)
	word   = regexp.MustCompile(`(?:'[^']*'|"[^"]*"|[^\s'"])+`)
)

// commandLines are the arguments of each gopush in a script.
func commandLines(script string) [][]string {
	script = strings.ReplaceAll(script, "\\\n", " ")
	var all [][]string
	for _, m := range begins.FindAllStringSubmatch(script, -1) {
		var args []string
		for _, w := range word.FindAllString(m[1], -1) {
			args = append(args, strings.NewReplacer(`'`, "", `"`, "").Replace(w))
		}
		all = append(all, args)
	}
	return all
}

// parses takes a command line apart as run does, and does nothing.
func parses(args []string) error {
	app, err := commandLine()
	if err == nil {
		_, err = app.Parse(args)
	}
	return err
}

func commandLine() (*kong.Kong, error) {
	return kong.New(new(commands), kong.Name("gopush"), kong.Exit(func(int) {}),
		kong.BindTo(context.Background(), (*context.Context)(nil)))
}

// known looks for the command and the flags that a text names; its arguments may be anything.
func known(words []string) error {
	app, err := commandLine()
	if err != nil {
		return err
	}
	node, flags := app.Model.Node, make(map[string]bool)
	for _, w := range words {
		w = strings.Trim(w, "[],.;:")
		for _, f := range node.Flags {
			flags["--"+f.Name] = true
		}
		if name, _, _ := strings.Cut(w, "="); strings.HasPrefix(w, "--") {
			if !flags[strings.Replace(name, "--no-", "--", 1)] && !flags[name] {
				return fmt.Errorf("there is no %s", name)
			}
			continue
		}
		if len(node.Children) == 0 {
			continue
		}
		var next *kong.Node
		for _, c := range node.Children {
			// keygen|mint|verify is each of them
			if c.Name == strings.Split(w, "|")[0] {
				next = c
			}
		}
		if next == nil {
			return fmt.Errorf("there is no %s", w)
		}
		node = next
	}
	return nil
}

// docs/tools.md has every command that the help has, each with all of its words.
//
// Broken once by taking token revoke off the page.
func TestToolsPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/tools.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range leaves(t) {
		if !strings.Contains(string(page), "`"+name+"`") {
			t.Errorf("docs/tools.md does not say what gopush %s does", name)
		}
	}
}
