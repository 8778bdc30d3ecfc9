package command

import (
	"maps"
	"os"
	"slices"
	"strings"

	"gopush/internal/config"
)

// HBase says where the table is. A flag that is not given leaves the setting alone.
type HBase struct {
	ZooKeeper   string `name:"zookeeper" help:"Addresses of HBase's ZooKeeper ($$GOPUSH_ZOOKEEPER)." placeholder:"HOST:PORT,..."`
	ZnodeParent string `help:"The znode that HBase keeps its own below, default /hbase ($$GOPUSH_ZNODE_PARENT)." placeholder:"PATH"`
	Table       string `help:"Table of the messages, default gopush:messages ($$GOPUSH_TABLE)." placeholder:"NAME"`
}

// Apply puts the flags over the settings.
func (f *HBase) Apply(settings *config.Serve) error {
	for _, g := range f.given() {
		if err := Set(settings, [][2]string{{g[1], g[2]}}); err != nil {
			return err
		}
	}
	return nil
}

// given lists flags, with the settings that they are for.
func (f *HBase) given() [][3]string {
	return [][3]string{
		{"--zookeeper", "store.zookeeper", f.ZooKeeper},
		{"--znode-parent", "store.znode_parent", f.ZnodeParent},
		{"--table", "store.table", f.Table},
	}
}

// Flags are for what people change by hand; --set reaches the rest. A flag that is not
// given leaves the setting alone. Variables are read with the file, by package config.
type Flags struct {
	Config string `help:"Settings file, YAML; see --print-config." type:"path" placeholder:"FILE"`
	Data   string `help:"Data folder." placeholder:"FOLDER"`
	Store  string `help:"Where messages are kept: embedded, in the data folder, or hbase ($$GOPUSH_STORE)." placeholder:"KIND"`
	HBase
	Coordination string            `help:"How nodes find each other: local, in this process, or zookeeper ($$GOPUSH_COORDINATION)." placeholder:"KIND"`
	Dev          bool              `help:"Development: the admin API takes requests from this machine without a token."`
	LogLevel     string            `help:"debug, info, warn or error." placeholder:"LEVEL"`
	LogFormat    string            `help:"text or json." placeholder:"FORMAT"`
	PortsFrom    int               `help:"Put all listeners on consecutive ports from N on; 0: on free ones." default:"-1" placeholder:"N"`
	Set          map[string]string `help:"Any setting, such as --set comet.max_per_key=8; it goes over the file." mapsep:"none" placeholder:"NAME=VALUE"`
	PrintConfig  bool              `help:"Print all settings, as a file with explanations, and end."`
}

// settings are the defaults, then the file, then the environment, then the flags; all is
// read anew each time.
func (f *Flags) settings() (config.Serve, error) { return f.draft().Serve() }

func (f *Flags) draft() *config.Draft {
	d := fromFile(f.Config)
	if f.PortsFrom >= 0 {
		d.Change("--ports-from", func(s *config.Serve) error { return s.PortsFrom(f.PortsFrom) })
	}
	for _, g := range append(f.given(), [][3]string{
		{"--data", "data", f.Data},
		{"--log-level", "log.level", f.LogLevel},
		{"--log-format", "log.format", f.LogFormat},
		{"--store", "store.kind", f.Store},
		{"--coordination", "coordination.kind", f.Coordination},
	}...) {
		if g[2] != "" {
			d.Flag(g[0], g[1], g[2])
		}
	}
	if f.Dev {
		d.Flag("--dev", "dev", "true")
	}
	for _, path := range slices.Sorted(maps.Keys(f.Set)) {
		d.Flag("--set", path, f.Set[path])
	}
	return d
}

// fromFile begins with the defaults, the file's settings, if there is one, and the
// environment's.
func fromFile(file string) *config.Draft {
	d := config.NewDraft()
	if file != "" {
		d.File(file)
	}
	d.Env(os.Environ())
	return d
}

// Set puts flags, each a path and a text, over the settings.
func Set(settings *config.Serve, given [][2]string) error {
	for _, f := range given {
		if f[1] == "" {
			continue // not given
		}
		if err := settings.Set(f[0], strings.TrimSpace(f[1])); err != nil {
			return Usage("%w", err)
		}
	}
	return nil
}

// FromFile gives the defaults, then the file's settings, if there is one, then the
// environment's. Whether they go together is for the caller to check, who may change them.
func FromFile(file string) (config.Serve, error) {
	settings, err := fromFile(file).Values()
	if err != nil {
		return settings, Usage("%w", err)
	}
	return settings, nil
}
