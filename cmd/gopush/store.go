package main

import (
	"gopush/hbase"
	"gopush/internal/command"
	"gopush/internal/config"
)

// hbaseFlags say where the table is.
type hbaseFlags struct{ command.HBase }

// hbaseSettings are those of commands that are about HBase: the file's, then the
// flags'.
func (f *hbaseFlags) hbaseSettings(file string) (config.Serve, error) {
	settings, err := command.FromFile(file)
	if err != nil {
		return settings, err
	}
	if err := f.Apply(&settings); err != nil {
		return settings, err
	}
	settings.Store.Kind = "hbase"
	if err := settings.Validate(); err != nil {
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
