package main

import (
	"context"
	"time"

	"gopush/hbase"
	"gopush/internal/config"
	"gopush/migrations"
)

// migrateCmd makes and changes the table on HBase. Nodes never do.
type migrateCmd struct {
	Up     migrateUpCmd     `cmd:"" help:"Make the table, or bring it to the schema that this program needs."`
	Plan   migratePlanCmd   `cmd:"" help:"Show what up would do, and do nothing."`
	Status migrateStatusCmd `cmd:"" help:"Show the table and its schema."`
	Down   migrateDownCmd   `cmd:"" help:"Take the table back to an older schema, where nothing is lost by it."`
}

// whereFlags are those of every command that asks HBase's master.
type whereFlags struct {
	Config string `help:"Settings file of gopush serve; its section store counts." type:"path" placeholder:"FILE"`
	hbaseFlags
	Timeout time.Duration `help:"How long the whole may take." default:"10m"`
}

// tableFlags are the options of a table.
type tableFlags struct {
	Compression string `help:"Compression of the table: NONE (default of a new table), SNAPPY, ZSTD, LZ4, GZ and so on. It is proven on every region server first." placeholder:"NAME"`
	BlockBytes  int    `help:"Size of HBase's blocks; a new table has 32768." placeholder:"N"`
	Encoding    string `help:"Encoding of data blocks; a new table has FAST_DIFF." placeholder:"NAME"`
	TTL         string `name:"ttl" help:"How long HBase keeps a cell whatever else it is told, such as 2160h; a new table has forever." placeholder:"TIME"`
	Replication string `help:"Replication scope: 0 (default of a new table), or 1 to replicate to the peers of the cluster." placeholder:"SCOPE"`

	Regions  int      `help:"Cut a new table into so many regions." placeholder:"N"`
	Alphabet string   `help:"Of what keys are, for --regions: any (letters and digits, the default), digits, or hex." placeholder:"NAME"`
	Prefix   string   `help:"What all keys begin with, for --regions." placeholder:"TEXT"`
	Split    []string `help:"Cut a new table at this subscription key; can be repeated." placeholder:"KEY" sep:"none"`

	Enable bool `help:"Enable the table if it is disabled."`
}

func (f *tableFlags) options() (migrations.Options, error) {
	o := migrations.Options{
		Compression: f.Compression, BlockBytes: f.BlockBytes, Encoding: f.Encoding, Replication: f.Replication,
		Splits: f.Split, Regions: f.Regions, Alphabet: f.Alphabet, Prefix: f.Prefix, Enable: f.Enable,
	}
	var err error
	switch f.TTL {
	case "":
	case "forever":
		o.TTL = migrations.Forever
	default:
		if o.TTL, err = time.ParseDuration(f.TTL); err != nil {
			return o, usage("--ttl: %q is not a time; write hours, such as 2160h for 90 days, or forever", f.TTL)
		}
	}
	if err := o.Validate(); err != nil {
		return o, usage("%w", err)
	}
	return o, nil
}

type migrateUpCmd struct {
	whereFlags
	tableFlags
}

// Run brings the table up.
func (c *migrateUpCmd) Run(ctx context.Context, cli *commands, s streams) error {
	options, err := c.options()
	if err != nil {
		return err
	}
	return c.with(ctx, options, cli, s, func(ctx context.Context, m *migrations.Migrator) error {
		done, err := m.Up(ctx)
		if err != nil {
			return err
		}
		return printDone(done, cli.JSON, s)
	})
}

type migrateDownCmd struct {
	whereFlags
	To   int    `help:"The schema to go back to; 0 drops the table, which must hold no message." required:"" placeholder:"N"`
	Lose string `name:"lose-messages" help:"Drop the table though it holds messages; its name, to make sure." placeholder:"TABLE"`
}

// Run takes the table back.
func (c *migrateDownCmd) Run(ctx context.Context, cli *commands, s streams) error {
	settings, err := c.hbaseSettings(c.Config)
	if err != nil {
		return err
	}
	target, err := targetOf(settings.Store)
	if err != nil {
		return err
	}
	if c.Lose != "" && (c.Lose != target.Table.String() || c.To != 0) {
		return usage("--lose-messages %s: it goes with --to 0, and the table is %s", c.Lose, target.Table)
	}
	return c.with(ctx, migrations.Options{Lose: c.Lose != ""}, cli, s, func(ctx context.Context, m *migrations.Migrator) error {
		done, err := m.Down(ctx, c.To)
		if err != nil {
			return err
		}
		return printDone(done, cli.JSON, s)
	})
}

type migratePlanCmd struct {
	whereFlags
	tableFlags
}

// Run shows what up would do.
func (c *migratePlanCmd) Run(ctx context.Context, cli *commands, s streams) error {
	options, err := c.options()
	if err != nil {
		return err
	}
	return c.with(ctx, options, cli, s, func(ctx context.Context, m *migrations.Migrator) error {
		plan, err := m.Plan(ctx)
		if err != nil {
			return err
		}
		return printPlan(plan, cli.JSON, s)
	})
}

type migrateStatusCmd struct{ whereFlags }

// Run shows the table. It fails if nodes of this version cannot use it.
func (c *migrateStatusCmd) Run(ctx context.Context, cli *commands, s streams) error {
	return c.with(ctx, migrations.Options{}, cli, s, func(ctx context.Context, m *migrations.Migrator) error {
		st, err := m.Status(ctx)
		if err != nil {
			return err
		}
		return printStatus(st, cli.JSON, s)
	})
}

// with runs do with a migrator.
func (f *whereFlags) with(ctx context.Context, o migrations.Options, cli *commands, s streams, do func(context.Context, *migrations.Migrator) error) error {
	return f.asked(ctx, func(ctx context.Context, admin *hbase.Admin, target hbase.Target) error {
		m, err := migrations.New(admin, target, o, newProgress(s.err, cli.JSON).show)
		if err != nil {
			return usage("%w", err)
		}
		return do(ctx, m)
	})
}

// asked runs do with what asks HBase, and closes what it opens.
func (f *whereFlags) asked(ctx context.Context, do func(context.Context, *hbase.Admin, hbase.Target) error) error {
	settings, err := f.hbaseSettings(f.Config)
	if err != nil {
		return err
	}
	target, err := targetOf(settings.Store)
	if err != nil {
		return err
	}
	admin, err := newAdmin(settings.Store)
	if err != nil {
		return err
	}
	defer admin.Close()
	ctx, cancel := context.WithTimeout(ctx, f.Timeout)
	defer cancel()
	return do(ctx, admin, target)
}

func newAdmin(s config.Store) (*hbase.Admin, error) {
	return hbase.NewAdmin(hbase.AdminConfig{ZooKeeper: s.ZooKeeper, Root: s.ZnodeParent})
}
