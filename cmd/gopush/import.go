package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"gopush/hbase"
	"gopush/internal/config"
	"gopush/internal/oldredis"
)

// importCmd brings messages of other systems into the table on HBase.
type importCmd struct {
	Redis importRedisCmd `cmd:"" help:"Import what gopush-cluster 1.0 keeps in Redis. It may run again and again."`
}

type importRedisCmd struct {
	Config string `help:"Settings file of gopush serve; its sections store and messages count." type:"path" placeholder:"FILE"`
	hbaseFlags
	Server       []string `help:"A Redis server of the old system; name them all." required:"" placeholder:"HOST:PORT"`
	DB           int      `name:"db" help:"Number of Redis's database." placeholder:"N"`
	PasswordFile string   `help:"File with the password of Redis; without it GOPUSH_REDIS_PASSWORD, if it needs one." type:"path" placeholder:"FILE"`
	Prefix       string   `help:"What names in Redis begin with, and subscription keys do not." placeholder:"TEXT"`
	Match        string   `help:"Pattern of Redis that names must match; without it all with the prefix." placeholder:"PATTERN"`
	Rate         int      `help:"Messages stored per second at most; 0 for no bound." placeholder:"N"`
	DryRun       bool     `help:"Read and count; store nothing."`
	Checkpoint   string   `help:"File that remembers how far an import came that was ended, default ${default}." default:"gopush-import.json" placeholder:"FILE"`
}

// Run imports once, and fails if anything could not be.
func (c *importRedisCmd) Run(ctx context.Context, cli *commands, s streams) error {
	settings, err := c.hbaseSettings(c.Config)
	if err != nil {
		return err
	}
	target, err := targetOf(settings.Store)
	if err != nil {
		return err
	}
	password, err := c.password()
	if err != nil {
		return err
	}
	store, err := hbase.Open(hbaseConfig(settings.Store, target), slog.New(slog.DiscardHandler), time.Now, nil)
	if err != nil {
		return usage("%w", err)
	}
	defer func() { _ = store.Close() }() // what was stored is durable
	i, err := oldredis.New(oldredis.Config{
		Servers: c.Server, Password: password, Database: c.DB, Prefix: c.Prefix, Match: c.Match,
		Rate: c.Rate, MaxBytes: settings.Messages.MaxBytes, DryRun: c.DryRun,
		Checkpoint: c.Checkpoint, Target: strings.Join(target.ZooKeeper, ",") + target.Root + " " + target.Table.String(),
	}, store, time.Now)
	if err != nil {
		return usage("%w", err)
	}
	if err := store.CheckSchema(ctx, target); err != nil {
		return err
	}
	began := time.Now()
	r, err := runShown(ctx, i, s.err, cli.JSON)
	if printed := printImport(&r, time.Since(began), c.DryRun, cli.JSON, s); err == nil {
		err = printed
	}
	if n := r.Failures(); err == nil && n > 0 {
		err = fmt.Errorf("%s could not be imported; the rest was", count(n, "message"))
	}
	return err
}

// hbaseConfig is that of a message node with the same settings.
func hbaseConfig(s config.Store, target hbase.Target) hbase.Config {
	return hbase.Config{
		ZooKeeper: strings.Join(s.ZooKeeper, ","), Root: s.ZnodeParent, Table: target.Table.String(),
		Durability: hbase.Durability(s.Durability), Keep: s.Keep, Timeout: s.Timeout,
	}
}

func (c *importRedisCmd) password() (string, error) {
	if c.PasswordFile == "" {
		return os.Getenv("GOPUSH_REDIS_PASSWORD"), nil
	}
	b, err := os.ReadFile(c.PasswordFile)
	if err != nil {
		return "", usage("the password file: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// runShown runs it, and writes a line to w now and then.
func runShown(ctx context.Context, i *oldredis.Importer, w io.Writer, asJSON bool) (oldredis.Report, error) {
	done := make(chan struct{})
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		ticker := time.NewTicker(progressEvery)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				format := "  %d messages read, %d stored\n"
				if asJSON {
					format = `{"read":%d,"stored":%d}` + "\n"
				}
				seen, stored := i.Progress()
				fmt.Fprintf(w, format, seen, stored)
			}
		}
	}()
	r, err := i.Run(ctx)
	close(done)
	<-shown
	return r, err
}

// importResult is the report as JSON.
type importResult struct {
	oldredis.Report
	DryRun bool  `json:"dry_run"`
	Millis int64 `json:"took_ms"` // of this run
}

func printImport(r *oldredis.Report, took time.Duration, dry, asJSON bool, s streams) error {
	if asJSON {
		return writeJSON(s.out, importResult{*r, dry, took.Milliseconds()})
	}
	var b strings.Builder
	verb := "imported"
	if dry {
		verb = "to import"
	}
	fmt.Fprintf(&b, "%d sorted sets with %d messages: %d %s, %d there already, %d expired, %d failed; %s\n",
		r.Sets, r.Messages, r.Imported, verb, r.Present, r.Expired, r.Failures(), took.Round(time.Millisecond))
	if r.Moved > 0 {
		fmt.Fprintf(&b, "%d were as good as simultaneous with the one before and got a place above their own\n", r.Moved)
	}
	for _, reason := range slices.Sorted(maps.Keys(r.Failed)) {
		fmt.Fprintf(&b, "failed: %d, %s\n", r.Failed[reason], reason)
	}
	for _, f := range r.Examples {
		fmt.Fprintf(&b, "  %s %q %s: %s\n", f.Server, f.Name, f.Score, f.Reason)
	}
	_, err := io.WriteString(s.out, b.String())
	return err
}
