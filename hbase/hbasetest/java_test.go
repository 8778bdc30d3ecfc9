package hbasetest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestJavaVersion(t *testing.T) {
	for printed, want := range map[string]int{
		"openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime": 17,
		"openjdk version \"21\" 2023-09-19":                       21,
		"java version \"1.8.0_202\"":                              8,
		"command not found":                                       0,
	} {
		if got := javaVersion(printed); got != want {
			t.Errorf("%q is version %d, want %d", printed, got, want)
		}
	}
}

func TestNoJava(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := newJava(t.Context(), "lib", nil, false); err == nil || !strings.Contains(err.Error(), "openjdk-17-jre-headless") {
		t.Errorf("without Java: %v", err)
	}
	bin := t.TempDir()
	write(t, filepath.Join(bin, "java"), "#!/bin/sh\necho 'openjdk version \"11.0.2\"'\n")
	must(t, os.Chmod(filepath.Join(bin, "java"), 0o700))
	t.Setenv("PATH", bin+":/bin:/usr/bin")
	if _, err := newJava(t.Context(), "lib", nil, false); err == nil || !strings.Contains(err.Error(), "is Java 11") {
		t.Errorf("with Java 11: %v", err)
	}
}

func TestJavaCommand(t *testing.T) {
	j, err := newJava(t.Context(), "lib", map[string]string{"b.jar": "", "a.jar": ""}, false)
	if err != nil {
		t.Fatal(err)
	}
	cmd := j.command(t.Context(), "dir", "conf", "64m", "Class", "arg")
	at := slices.Index(cmd.Args, "-cp")
	if want := []string{"-cp", "conf:lib/a.jar:lib/b.jar", "Class", "arg"}; at < 0 || !slices.Equal(cmd.Args[at:], want) {
		t.Errorf("%q does not end in %q", cmd.Args, want)
	}
	if !slices.Contains(cmd.Args, "-Xmx64m") || cmd.Dir != "dir" {
		t.Errorf("%q in %s", cmd.Args, cmd.Dir)
	}
}
