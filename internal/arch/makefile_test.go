package arch

import (
	"slices"
	"strings"
	"testing"
)

func TestUndescribedFindsViolations(t *testing.T) {
	good := "help: ## list the targets\n\tawk\nbuild/x: go.mod\n\tgo build\nfoo := bar\n"
	planted(t, Undescribed(good))
	planted(t, Undescribed(good+"run: build\n\t./x\ntest:\n"), "target run", "target test")
}

func TestUndescribed(t *testing.T) {
	all := tree(t)
	i := slices.IndexFunc(all, func(f File) bool { return f.Path == "Makefile" })
	if i < 0 {
		t.Fatal("no Makefile")
	}
	none(t, Undescribed(all[i].Text))
	for _, want := range []string{
		"run", "hbase", "build", "test", "quick", "race", "fuzz", "bench", "benchcmp", "lint", "fmt", "check", "proto", "docs", "clean", "help",
	} {
		if !strings.Contains(all[i].Text, "\n"+want+":") {
			t.Errorf("the Makefile has no target %s", want)
		}
	}
}
