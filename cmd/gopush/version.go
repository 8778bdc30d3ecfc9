package main

import (
	"fmt"
	"runtime/debug"
)

// versionCmd needs no server.
type versionCmd struct{}

// build is what the toolchain wrote into the binary.
type build struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Dirty   bool   `json:"dirty,omitempty"`
	Go      string `json:"go"`
}

// Run shows the version.
func (versionCmd) Run(cli *commands, s streams) error {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = new(debug.BuildInfo)
	}
	b := buildOf(info)
	if cli.JSON {
		return writeJSON(s.out, b)
	}
	_, err := fmt.Fprintln(s.out, b)
	return err
}

// buildOf picks what tells builds apart. A build outside of a release has no
// version, only a commit.
func buildOf(info *debug.BuildInfo) build {
	b := build{Version: info.Main.Version, Go: info.GoVersion}
	if b.Version == "" || b.Version == "(devel)" {
		b.Version = "development"
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Dirty = s.Value == "true"
		}
	}
	return b
}

func (b build) String() string {
	text := "gopush " + b.Version
	if b.Commit != "" {
		text += ", commit " + b.Commit
	}
	if b.Dirty {
		text += " with changes"
	}
	return text + ", " + b.Go
}
