package main

import (
	"fmt"

	"gopush/internal/daemon"
)

// versionCmd needs no server.
type versionCmd struct{}

// Run shows the version.
func (versionCmd) Run(cli *commands, s streams) error {
	b := daemon.ThisBuild()
	if cli.JSON {
		return writeJSON(s.out, b)
	}
	_, err := fmt.Fprintln(s.out, b)
	return err
}
