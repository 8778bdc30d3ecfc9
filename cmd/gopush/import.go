package main

import (
	"context"
	"errors"
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

// redisFlags say which Redis of the old system, which part of it, and where the table is.
type redisFlags struct {
	Config string `help:"Settings file of gopush serve; its sections store and messages count." type:"path" placeholder:"FILE"`
	hbaseFlags
	Server       []string `help:"A Redis server of the old system; name them all. To write to several, each as NODE:WEIGHT=HOST:PORT, as there." required:"" placeholder:"HOST:PORT"`
	DB           int      `name:"db" help:"Number of Redis's database." placeholder:"N"`
	PasswordFile string   `help:"File with the password of Redis; without it GOPUSH_REDIS_PASSWORD, if it needs one." type:"path" placeholder:"FILE"`
	Prefix       string   `help:"What names in Redis begin with, and subscription keys do not." placeholder:"TEXT"`
	Ring         []string `help:"The comet nodes of the old system with their weights, such as node1=1,node2=1; for --group." placeholder:"NAME=WEIGHT"`
	Group        []string `help:"Keys of this node of the ring alone; may be repeated." placeholder:"NAME"`
	Rate         int      `help:"Messages stored per second at most; 0 for no bound." placeholder:"N"`
	DryRun       bool     `help:"Read and count; store nothing."`
}

type importRedisCmd struct {
	redisFlags
	Match      string `help:"Pattern of Redis that names must match; without it all with the prefix." placeholder:"PATTERN"`
	Checkpoint string `help:"File that remembers how far an import came that was ended, default ${default}." default:"gopush-import.json" placeholder:"FILE"`
}

// open connects to the table, and says what is to be done with it.
func (c *redisFlags) open(ctx context.Context) (*hbase.Store, oldredis.Config, error) {
	var cfg oldredis.Config
	settings, err := c.hbaseSettings(c.Config)
	if err != nil {
		return nil, cfg, err
	}
	target, err := targetOf(settings.Store)
	if err != nil {
		return nil, cfg, err
	}
	password, err := c.password()
	if err != nil {
		return nil, cfg, err
	}
	cfg = oldredis.Config{
		Servers: c.Server, Password: password, Database: c.DB, Prefix: c.Prefix, Ring: c.Ring, Groups: c.Group,
		Rate: c.Rate, MaxBytes: settings.Messages.MaxBytes, DryRun: c.DryRun,
		Target: strings.Join(target.ZooKeeper, ",") + target.Root + " " + target.Table.String(),
	}
	if err := cfg.Validate(); err != nil {
		return nil, cfg, usage("%w", err)
	}
	store, err := hbase.Open(hbaseConfig(settings.Store, target), slog.New(slog.DiscardHandler), time.Now, nil)
	if err != nil {
		return nil, cfg, usage("%w", err)
	}
	if err := store.CheckSchema(ctx, target); err != nil {
		return nil, cfg, errors.Join(err, store.Close())
	}
	return store, cfg, nil
}

// Run imports once, and fails if anything could not be.
func (c *importRedisCmd) Run(ctx context.Context, cli *commands, s streams) error {
	store, cfg, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }() // what was stored is durable
	cfg.Match, cfg.Checkpoint = c.Match, c.Checkpoint
	i, err := oldredis.New(cfg, store, time.Now)
	if err != nil {
		return usage("%w", err)
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

func (c *redisFlags) password() (string, error) {
	if c.PasswordFile == "" {
		return os.Getenv("GOPUSH_REDIS_PASSWORD"), nil
	}
	b, err := os.ReadFile(c.PasswordFile)
	if err != nil {
		return "", usage("the password file: %w", err)
	}
	return strings.TrimSpace(string(b)), nil
}

// transfer is an import or an export, which tells an R in the end.
type transfer[R any] interface {
	Run(ctx context.Context) (R, error)
	Progress() (seen, stored int64)
}

// runShown runs it, and writes a line to w now and then.
func runShown[R any](ctx context.Context, i transfer[R], w io.Writer, asJSON bool) (R, error) {
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

// resumed says what was done before the pass that a line tells of; empty: nothing.
func resumed(n int, verb string) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("before that, %d were %s going on from the checkpoint\n", n, verb)
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
	b.WriteString(resumed(r.Before, "imported"))
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
