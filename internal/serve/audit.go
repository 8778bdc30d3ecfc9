package serve

import (
	"context"
	"log/slog"
)

// auditLog is the logger of what administrators do. It writes whatever log.level is.
func (s *System) auditLog() *slog.Logger {
	return slog.New(always{s.log.Handler()}).With(slog.String("part", "audit"))
}

// always is a handler that takes every level.
type always struct{ slog.Handler }

// Enabled implements slog.Handler.
func (always) Enabled(context.Context, slog.Level) bool { return true }

// WithAttrs implements slog.Handler.
func (a always) WithAttrs(attrs []slog.Attr) slog.Handler { return always{a.Handler.WithAttrs(attrs)} }

// WithGroup implements slog.Handler.
func (a always) WithGroup(name string) slog.Handler { return always{a.Handler.WithGroup(name)} }
