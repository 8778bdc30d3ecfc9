package daemon

import (
	"fmt"
	"io"
	"log/slog"
)

// LogConfig says what a process logs. The zero value is text at info level.
type LogConfig struct {
	// Format is "text" or "json"; empty: text.
	Format string
	// Level is "debug", "info", "warn" or "error"; empty: info.
	Level string
}

// NewLogger makes a logger that writes to w. Its level can be changed while it is used.
func NewLogger(cfg LogConfig, w io.Writer) (*slog.Logger, *slog.LevelVar, error) {
	start, err := Level(cfg.Level)
	if err != nil {
		return nil, nil, err
	}
	level := new(slog.LevelVar)
	level.Set(start)
	opts := &slog.HandlerOptions{Level: level}
	switch cfg.Format {
	case "", "text":
		return slog.New(slog.NewTextHandler(w, opts)), level, nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, opts)), level, nil
	default:
		return nil, nil, fmt.Errorf("log format %q; it must be text or json", cfg.Format)
	}
}

// Level is the one of a name; empty: info.
func Level(name string) (slog.Level, error) {
	// slog's own parser would take INFO+2 and the like, too.
	switch name {
	case "debug":
		return slog.LevelDebug, nil
	case "", "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	default:
		return 0, fmt.Errorf("log level %q; it must be debug, info, warn or error", name)
	}
}
