package main

import (
	"context"
	"fmt"
	"time"

	"gopush/internal/oldredis"
)

// exportCmd brings messages of the table on HBase to other systems.
type exportCmd struct {
	Redis exportRedisCmd `cmd:"" help:"Bring back to the Redis of gopush-cluster 1.0 what was pushed here: the way back of an import. Hold the pushes before."`
}

type exportRedisCmd struct {
	redisFlags
	Checkpoint string `help:"File that remembers how far an export came that was ended, default ${default}." default:"gopush-export.json" placeholder:"FILE"`
}

// Run exports once.
func (c *exportRedisCmd) Run(ctx context.Context, cli *commands, s streams) error {
	store, cfg, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }() // it was only read
	cfg.Checkpoint = c.Checkpoint
	e, err := oldredis.NewExporter(cfg, store, time.Now)
	if err != nil {
		return usage("%w", err)
	}
	began := time.Now()
	done, err := runShown(ctx, e, s.err, cli.JSON)
	if printed := printExport(&done, time.Since(began), c.DryRun, cli.JSON, s); err == nil {
		err = printed
	}
	return err
}

// exportResult is what was done as JSON.
type exportResult struct {
	oldredis.Exported
	DryRun bool  `json:"dry_run"`
	Millis int64 `json:"took_ms"` // of this run
}

func printExport(done *oldredis.Exported, took time.Duration, dry, asJSON bool, s streams) error {
	if asJSON {
		return writeJSON(s.out, exportResult{*done, dry, took.Milliseconds()})
	}
	verb := "exported"
	if dry {
		verb = "to export"
	}
	_, err := fmt.Fprintf(s.out, "%d keys with %d messages: %d %s, %d there already, %d withdrawn; %s\n%sthe fullest set has %s: redis.store of the old system must not be less\n",
		done.Keys, done.Messages, done.Exported, verb, done.Present, done.Withdrawn, took.Round(time.Millisecond), resumed(done.Before, "exported"), count(done.Largest, "message"))
	return err
}
