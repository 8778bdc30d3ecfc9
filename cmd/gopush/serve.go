package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"gopush/internal/config"
	"gopush/internal/daemon"
	"gopush/internal/serve"
)

// serveCmd has flags for what people change by hand; --set reaches the rest. A
// flag that is not given leaves the file's setting alone.
type serveCmd struct {
	Config string `help:"Settings file, YAML; see --print-config." type:"path" placeholder:"FILE"`
	Data   string `help:"Data folder." placeholder:"FOLDER"`
	Store  string `help:"Where messages are kept: embedded, in the data folder, or hbase." env:"GOPUSH_STORE" placeholder:"KIND"`
	hbaseFlags
	Dev         bool              `help:"Development: the admin API takes requests from this machine without a token."`
	LogLevel    string            `help:"debug, info, warn or error." placeholder:"LEVEL"`
	LogFormat   string            `help:"text or json." placeholder:"FORMAT"`
	PortsFrom   int               `help:"Put all listeners on consecutive ports from N on; 0: on free ones." default:"-1" placeholder:"N"`
	Set         map[string]string `help:"Any setting, such as --set comet.max_per_key=8; it goes over the file." mapsep:"none" placeholder:"NAME=VALUE"`
	PrintConfig bool              `help:"Print all settings, as a file with explanations, and end."`
}

// Run serves until a signal, or prints the settings.
func (c *serveCmd) Run(ctx context.Context, cli *commands, s streams) error {
	start := time.Now()
	settings, err := c.settings()
	if err != nil {
		return err
	}
	if c.PrintConfig {
		return settings.Print(s.out)
	}
	log, err := daemon.NewLogger(daemon.LogConfig{Format: settings.Log.Format, Level: settings.Log.Level}, s.err)
	if err != nil {
		return usage("%w", err)
	}
	// Each connection takes a descriptor, and the usual soft limit is 1,024.
	if files, err := daemon.RaiseFileLimit(); err != nil {
		log.WarnContext(ctx, "few connections may be possible", slog.Any("error", err), slog.Uint64("open_files", files))
	}
	sys, err := serve.New(serve.Config{Settings: settings}, log)
	if err != nil {
		return fmt.Errorf("cannot start: %w", err)
	}
	return errors.Join(c.serve(ctx, sys, start, cli.JSON, s), sys.Close())
}

// serve runs sys, and says when it is ready and when it stops.
func (c *serveCmd) serve(ctx context.Context, sys *serve.System, start time.Time, asJSON bool, s streams) error {
	ended := make(chan error, 1)
	go func() { ended <- sys.Run(ctx) }()
	select {
	case err := <-ended:
		return err
	case <-sys.Ready():
	}
	b := bannerOf(sys, time.Since(start))
	if err := b.print(s.out, asJSON); err != nil {
		// A closed standard output is no reason to stop serving.
		fmt.Fprintf(s.err, "gopush: the addresses could not be printed: %v\n", err)
	}
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	fmt.Fprintln(s.err, "gopush: stopping; what is under way is finished first. Once more to end at once.")
	stopping := time.Now()
	if err := <-ended; err != nil {
		return fmt.Errorf("stopped, but not in order: %w", err)
	}
	fmt.Fprintf(s.err, "gopush: stopped in order after %s\n", time.Since(stopping).Round(time.Millisecond))
	return nil
}

// settings are the defaults, then the file, then the flags.
func (c *serveCmd) settings() (config.Serve, error) {
	settings, err := fileSettings(c.Config)
	if err != nil {
		return settings, err
	}
	if c.PortsFrom >= 0 {
		if err := settings.PortsFrom(c.PortsFrom); err != nil {
			return settings, usage("--ports-from: %w", err)
		}
	}
	if err := setGiven(&settings, []given{
		{"data", c.Data}, {"log.level", c.LogLevel}, {"log.format", c.LogFormat}, {"store.kind", c.Store},
	}); err != nil {
		return settings, err
	}
	if err := c.apply(&settings); err != nil {
		return settings, err
	}
	settings.Dev = settings.Dev || c.Dev
	for path, text := range c.Set {
		if err := settings.Set(path, text); err != nil {
			return settings, usage("--set %w", err)
		}
	}
	if err := settings.Validate(); err != nil {
		return settings, usage("%w", err)
	}
	return settings, nil
}
