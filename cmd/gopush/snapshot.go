package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"gopush/hbase"
	"gopush/migrations"
)

// snapshotCmd keeps the table on HBase as it is at one time, and brings it back.
type snapshotCmd struct {
	Take    snapshotTakeCmd    `cmd:"" help:"Keep the table as it is now; it goes on serving."`
	List    snapshotListCmd    `cmd:"" help:"List the snapshots that HBase has."`
	Restore snapshotRestoreCmd `cmd:"" help:"Make the table what it was at a snapshot. Stop all nodes before."`
	Delete  snapshotDeleteCmd  `cmd:"" help:"Give up a snapshot of the table."`
}

type snapshotTakeCmd struct {
	whereFlags
	Name string `arg:"" optional:"" help:"Name of the snapshot; the table's and the time when left out."`
}

// Run takes one, and prints its name.
func (c *snapshotTakeCmd) Run(ctx context.Context, cli *commands, s streams) error {
	if c.Name != "" {
		if err := hbase.CheckSnapshotName(c.Name); err != nil {
			return usage("%w", err)
		}
	}
	return c.backup(ctx, cli, s, func(ctx context.Context, b *migrations.Backup) error {
		name, err := b.Take(ctx, c.Name)
		if err != nil {
			return err
		}
		return printResult(s, cli.JSON, map[string]string{"snapshot": name}, name)
	})
}

type snapshotListCmd struct{ whereFlags }

// snapshotLine is one snapshot as JSON.
type snapshotLine struct {
	Name  string    `json:"snapshot"`
	Table string    `json:"table"`
	Taken time.Time `json:"taken"`
}

// Run lists those of all tables: what is restored into a table may be another's.
func (c *snapshotListCmd) Run(ctx context.Context, cli *commands, s streams) error {
	return c.backup(ctx, cli, s, func(ctx context.Context, b *migrations.Backup) error {
		all, err := b.List(ctx)
		if err != nil {
			return err
		}
		lines := make([]snapshotLine, len(all))
		for i, one := range all {
			lines[i] = snapshotLine{one.Name, one.Table.String(), one.Taken.UTC()}
		}
		if cli.JSON {
			return writeJSON(s.out, map[string]any{"snapshots": lines})
		}
		w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "SNAPSHOT\tTABLE\tTAKEN")
		for _, l := range lines {
			fmt.Fprintf(w, "%s\t%s\t%s\n", l.Name, l.Table, l.Taken.Format(time.RFC3339))
		}
		return w.Flush()
	})
}

type snapshotRestoreCmd struct {
	whereFlags
	Name    string `arg:"" help:"Name of the snapshot."`
	Replace bool   `help:"Replace what is in a table that exists. A snapshot of it is taken before."`
}

// Run restores, and prints what became of a table that was there.
func (c *snapshotRestoreCmd) Run(ctx context.Context, cli *commands, s streams) error {
	return c.backup(ctx, cli, s, func(ctx context.Context, b *migrations.Backup) error {
		before, err := b.Restore(ctx, c.Name, c.Replace)
		if _, unusable := errors.AsType[*hbase.SchemaError](err); before != "" && err != nil && !unusable {
			return fmt.Errorf("%w; what was in the table before is in the snapshot %s", err, before)
		}
		if err != nil {
			return err
		}
		text := "restored"
		if before != "" {
			text += "; what was in the table before is in the snapshot " + before
		}
		return printResult(s, cli.JSON, map[string]string{"restored": c.Name, "before": before}, text)
	})
}

type snapshotDeleteCmd struct {
	whereFlags
	Name string `arg:"" help:"Name of the snapshot."`
}

// Run gives it up.
func (c *snapshotDeleteCmd) Run(ctx context.Context, cli *commands, s streams) error {
	return c.backup(ctx, cli, s, func(ctx context.Context, b *migrations.Backup) error {
		if err := b.Delete(ctx, c.Name); err != nil {
			return err
		}
		return printResult(s, cli.JSON, map[string]string{"deleted": c.Name}, "deleted")
	})
}

// printResult writes one line, or the result as JSON.
func printResult(s streams, asJSON bool, result any, line string) error {
	if asJSON {
		return writeJSON(s.out, result)
	}
	_, err := fmt.Fprintln(s.out, line)
	return err
}

// backup runs do with the snapshots of the table, and closes what it opens.
func (f *whereFlags) backup(ctx context.Context, cli *commands, s streams, do func(context.Context, *migrations.Backup) error) error {
	return f.asked(ctx, func(ctx context.Context, admin *hbase.Admin, target hbase.Target) error {
		return do(ctx, migrations.NewBackup(admin, target, newProgress(s.err, cli.JSON).show))
	})
}
