package command

import (
	"strings"

	"gopush/internal/config"
)

// HBase says where the table is. A flag, or its variable, that is not given leaves the
// file's setting alone.
type HBase struct {
	ZooKeeper   string `name:"zookeeper" help:"Addresses of HBase's ZooKeeper." env:"GOPUSH_ZOOKEEPER" placeholder:"HOST:PORT,..."`
	ZnodeParent string `help:"The znode that HBase keeps its own below, default /hbase." env:"GOPUSH_ZNODE_PARENT" placeholder:"PATH"`
	Table       string `help:"Table of the messages, default gopush:messages." env:"GOPUSH_TABLE" placeholder:"NAME"`
}

// Apply puts the flags over the settings.
func (f *HBase) Apply(settings *config.Serve) error {
	return Set(settings, [][2]string{
		{"store.zookeeper", f.ZooKeeper}, {"store.znode_parent", f.ZnodeParent}, {"store.table", f.Table},
	})
}

// Flags are for what people change by hand; --set reaches the rest. A flag that is not
// given leaves the file's setting alone.
type Flags struct {
	Config string `help:"Settings file, YAML; see --print-config." type:"path" placeholder:"FILE"`
	Data   string `help:"Data folder." placeholder:"FOLDER"`
	Store  string `help:"Where messages are kept: embedded, in the data folder, or hbase." env:"GOPUSH_STORE" placeholder:"KIND"`
	HBase
	Coordination string            `help:"How nodes find each other: local, in this process, or zookeeper." env:"GOPUSH_COORDINATION" placeholder:"KIND"`
	Dev          bool              `help:"Development: the admin API takes requests from this machine without a token."`
	LogLevel     string            `help:"debug, info, warn or error." placeholder:"LEVEL"`
	LogFormat    string            `help:"text or json." placeholder:"FORMAT"`
	PortsFrom    int               `help:"Put all listeners on consecutive ports from N on; 0: on free ones." default:"-1" placeholder:"N"`
	Set          map[string]string `help:"Any setting, such as --set comet.max_per_key=8; it goes over the file." mapsep:"none" placeholder:"NAME=VALUE"`
	PrintConfig  bool              `help:"Print all settings, as a file with explanations, and end."`
}

// Settings are the defaults, then the file, then the flags.
func (f *Flags) Settings() (config.Serve, error) {
	settings, err := FromFile(f.Config)
	if err != nil {
		return settings, err
	}
	if f.PortsFrom >= 0 {
		if err := settings.PortsFrom(f.PortsFrom); err != nil {
			return settings, Usage("--ports-from: %w", err)
		}
	}
	if err := Set(&settings, [][2]string{
		{"data", f.Data},
		{"log.level", f.LogLevel},
		{"log.format", f.LogFormat},
		{"store.kind", f.Store},
		{"coordination.kind", f.Coordination},
	}); err != nil {
		return settings, err
	}
	if err := f.Apply(&settings); err != nil {
		return settings, err
	}
	settings.Dev = settings.Dev || f.Dev
	for path, text := range f.Set {
		if err := settings.Set(path, text); err != nil {
			return settings, Usage("--set %w", err)
		}
	}
	if err := settings.Validate(); err != nil {
		return settings, Usage("%w", err)
	}
	return settings, nil
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

// FromFile gives the defaults, then the file's settings, if there is one.
func FromFile(file string) (config.Serve, error) {
	if file == "" {
		return config.Default(), nil
	}
	settings, err := config.Load(file)
	if err != nil {
		return settings, Usage("%w", err)
	}
	return settings, nil
}
