package main

import (
	"bytes"
	_ "embed"
	"slices"
	"strings"
	"text/template"

	"github.com/alecthomas/kong"
)

// completionCmd prints what a shell needs to complete a command line of gopush.
type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Run writes the script. It is made of the same description of the command line as the
// help, so it never lags behind.
func (c *completionCmd) Run(k *kong.Context, s streams) error {
	script, err := completion(k.Model, c.Shell)
	if err == nil {
		_, err = s.out.Write(script)
	}
	return err
}

// stop is one command: what may stand behind it.
type stop struct {
	At       string // its words, such as "migrate up"; "" for none yet
	Commands []meaning
	Flags    []option
	Args     []string // what its first argument may be, if that is a choice
}

// meaning is a word and what it means.
type meaning struct{ Name, Help string }

// option is one with its dashes.
type option struct {
	Name, Help   string
	Valued       bool
	Values       []string // if they are a choice
	File, Folder bool     // the value is the name of one
}

// completion fills in the script of a shell.
func completion(model *kong.Application, shell string) ([]byte, error) {
	t, err := template.New("").Funcs(template.FuncMap{"quote": quote, "colons": colons, "join": strings.Join, "long": long}).Parse(scripts[shell])
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, stops(model.Node, nil))
	return b.Bytes(), err
}

//go:embed completion.bash
var bashScript string

//go:embed completion.zsh
var zshScript string

//go:embed completion.fish
var fishScript string

var scripts = map[string]string{"bash": bashScript, "zsh": zshScript, "fish": fishScript}

// stops lists a command and all below it.
func stops(n *kong.Node, words []string) []stop {
	p := stop{At: strings.Join(words, " ")}
	for _, group := range n.AllFlags(true) {
		for _, f := range group {
			p.Flags = append(p.Flags, optionOf(f))
		}
	}
	if len(n.Positional) > 0 {
		p.Args = choices(n.Positional[0])
	}
	all := []stop{p}
	for _, sub := range n.Children {
		if !sub.Hidden {
			all[0].Commands = append(all[0].Commands, meaning{sub.Name, sub.Help})
			all = append(all, stops(sub, append(slices.Clone(words), sub.Name))...)
		}
	}
	return all
}

func optionOf(f *kong.Flag) option {
	return option{
		Name: "--" + f.Name, Help: f.Help, Valued: !f.IsBool() && !f.IsCounter(), Values: choices(f.Value),
		File: f.PlaceHolder == "FILE", Folder: f.PlaceHolder == "FOLDER",
	}
}

// choices are the values of an enumeration.
func choices(v *kong.Value) []string {
	if v.Enum == "" {
		return nil
	}
	return v.EnumSlice()
}

// quote makes one word of a shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// colons escapes what separates a word from its meaning in zsh.
func colons(s string) string { return strings.ReplaceAll(s, ":", `\:`) }

// long is a flag without its dashes.
func long(s string) string { return strings.TrimPrefix(s, "--") }
