package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"gopush/internal/config"
	"gopush/internal/daemon"
	"gopush/internal/serve"
)

// passwordEnv holds ZooKeeper's password, which is in no file of settings.
const passwordEnv = "GOPUSH_ZOOKEEPER_PASSWORD"

// ZooKeeperPassword is that of the environment, or empty.
func ZooKeeperPassword() string { return os.Getenv(passwordEnv) }

// Process is one that serves.
type Process struct {
	Name  string // what it calls itself
	Roles serve.Roles
	// Opened and Ready say, if not nil, that it listens, and that all of it serves.
	Opened func(sys *serve.System) error
	Ready  func(sys *serve.System, took time.Duration) error
	Out    io.Writer
	Err    io.Writer // logs, and what concerns a person at the terminal
}

// Run serves until ctx ends, or prints the settings.
func (p *Process) Run(ctx context.Context, flags *Flags) error {
	start := time.Now()
	draft := flags.draft()
	settings, err := draft.Serve()
	if err != nil {
		return Usage("%w", err)
	}
	if flags.PrintConfig {
		return draft.Print(p.Out)
	}
	closed := daemon.Terminal()
	// From here on the signal must not end the process, however long the start takes.
	hangups, release := daemon.Hangups()
	defer release()
	sys, err := p.open(ctx, settings)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	var watcher sync.WaitGroup
	watcher.Go(func() {
		defer stop()
		p.heed(ctx, hangups, closed, func() { sys.Reload(flags.settings) })
	})
	err = p.serve(ctx, sys, start)
	stop()
	watcher.Wait()
	return errors.Join(err, sys.Close())
}

// heed reloads at every signal until ctx ends, or returns at one that comes of a closed
// terminal.
func (p *Process) heed(ctx context.Context, hangups <-chan os.Signal, closed func() bool, reload func()) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
		}
		if closed() {
			fmt.Fprintf(p.Err, "%s: the terminal that this was started from is closed\n", p.Name)
			return
		}
		reload()
	}
}

func (p *Process) open(ctx context.Context, settings config.Serve) (*serve.System, error) {
	log, level, err := daemon.NewLogger(daemon.LogConfig{Format: settings.Log.Format, Level: settings.Log.Level}, p.Err)
	if err != nil {
		return nil, Usage("%w", err)
	}
	// Each connection takes a descriptor, and the usual soft limit is 1,024.
	if files, err := daemon.RaiseFileLimit(); err != nil {
		log.WarnContext(ctx, "few connections may be possible", slog.Any("error", err), slog.Uint64("open_files", files))
	}
	if limit, err := daemon.LimitMemory(); err != nil {
		log.WarnContext(ctx, "the memory limit of the cgroup cannot be read; set GOMEMLIMIT", slog.Any("error", err))
	} else if limit > 0 {
		log.InfoContext(ctx, "memory is limited to nine tenths of the cgroup's limit", slog.Int64("limit_bytes", limit))
	}
	sys, err := serve.New(serve.Config{ //nolint:contextcheck // what it opens lasts until Close
		Settings: settings, Roles: p.Roles, LogLevel: level, ZooKeeperPassword: ZooKeeperPassword(),
	}, log)
	if err != nil {
		return nil, fmt.Errorf("cannot start: %w", err)
	}
	return sys, nil
}

// serve runs sys, and says when it is ready and when it stops.
func (p *Process) serve(ctx context.Context, sys *serve.System, start time.Time) error {
	if p.Opened != nil {
		p.told(p.Opened(sys))
	}
	ended := make(chan error, 1)
	go func() { ended <- sys.Run(ctx) }()
	select {
	case err := <-ended:
		return err
	case <-sys.Ready():
	}
	if p.Ready != nil {
		p.told(p.Ready(sys, time.Since(start)))
	}
	select {
	case err := <-ended:
		if ctx.Err() == nil {
			return err
		}
		ended <- err // it was told to end, and has by now
	case <-ctx.Done():
	}
	fmt.Fprintf(p.Err, "%s: stopping; what is under way is finished first. Once more to end at once.\n", p.Name)
	stopping := time.Now()
	if err := <-ended; err != nil {
		return fmt.Errorf("stopped, but not in order: %w", err)
	}
	fmt.Fprintf(p.Err, "%s: stopped in order after %s\n", p.Name, time.Since(stopping).Round(time.Millisecond))
	return nil
}

// told notes what could not be printed: a closed standard output is no reason to stop
// serving.
func (p *Process) told(err error) {
	if err != nil {
		fmt.Fprintf(p.Err, "%s: the addresses could not be printed: %v\n", p.Name, err)
	}
}
