package main

import (
	"context"
	"time"

	"gopush/internal/command"
	"gopush/internal/serve"
)

// serveCmd runs all roles; those of a cluster can run as processes of their own, too.
type serveCmd struct{ command.Flags }

// Run serves until a signal, or prints the settings.
func (c *serveCmd) Run(ctx context.Context, cli *commands, s streams) error {
	p := command.Process{Name: "gopush", Out: s.out, Err: s.err, Ready: func(sys *serve.System, took time.Duration) error {
		return bannerOf(sys, took).print(s.out, cli.JSON)
	}}
	return p.Run(ctx, &c.Flags)
}
