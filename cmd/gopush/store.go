package main

import (
	"strings"

	"gopush/hbase"
	"gopush/internal/config"
)

// hbaseFlags say where the table is. A flag, or its variable, that is not given
// leaves the file's setting alone.
type hbaseFlags struct {
	ZooKeeper   string `name:"zookeeper" help:"Addresses of HBase's ZooKeeper." env:"GOPUSH_ZOOKEEPER" placeholder:"HOST:PORT,..."`
	ZnodeParent string `help:"The znode that HBase keeps its own below, default /hbase." env:"GOPUSH_ZNODE_PARENT" placeholder:"PATH"`
	Table       string `help:"Table of the messages, default gopush:messages." env:"GOPUSH_TABLE" placeholder:"NAME"`
}

func (f *hbaseFlags) apply(settings *config.Serve) error {
	return setGiven(settings, []given{
		{"store.zookeeper", f.ZooKeeper}, {"store.znode_parent", f.ZnodeParent}, {"store.table", f.Table},
	})
}

// given is a setting as a flag gave it.
type given struct{ path, text string }

func setGiven(settings *config.Serve, flags []given) error {
	for _, f := range flags {
		if f.text == "" {
			continue // not given
		}
		if err := settings.Set(f.path, strings.TrimSpace(f.text)); err != nil {
			return usage("%w", err)
		}
	}
	return nil
}

// hbaseSettings are those of commands that are about HBase: the file's, then the
// flags'.
func (f *hbaseFlags) hbaseSettings(file string) (config.Serve, error) {
	settings, err := fileSettings(file)
	if err != nil {
		return settings, err
	}
	if err := f.apply(&settings); err != nil {
		return settings, err
	}
	settings.Store.Kind = "hbase"
	if err := settings.Validate(); err != nil {
		return settings, usage("%w", err)
	}
	return settings, nil
}

// fileSettings are the defaults, then the file's, if there is one.
func fileSettings(file string) (config.Serve, error) {
	if file == "" {
		return config.Default(), nil
	}
	settings, err := config.Load(file)
	if err != nil {
		return settings, usage("%w", err)
	}
	return settings, nil
}

// targetOf is the table of the settings.
func targetOf(s config.Store) (hbase.Target, error) {
	table, err := hbase.ParseTableName(s.Table)
	if err != nil {
		return hbase.Target{}, usage("store.table: %w", err)
	}
	return hbase.Target{ZooKeeper: s.ZooKeeper, Root: s.ZnodeParent, Table: table}, nil
}
