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

// NewLogger makes a logger that writes to w.
func NewLogger(cfg LogConfig, w io.Writer) (*slog.Logger, error) {
	// slog's own parser would take INFO+2 and the like, too.
	var level slog.Level
	switch cfg.Level {
	case "debug":
		level = slog.LevelDebug
	case "", "info":
		level = slog.LevelInfo
	case "warn":
		level = slog.LevelWarn
	case "error":
		level = slog.LevelError
	default:
		return nil, fmt.Errorf("log level %q; it must be debug, info, warn or error", cfg.Level)
	}
	opts := &slog.HandlerOptions{Level: level}
	switch cfg.Format {
	case "", "text":
		return slog.New(slog.NewTextHandler(w, opts)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, opts)), nil
	default:
		return nil, fmt.Errorf("log format %q; it must be text or json", cfg.Format)
	}
}
