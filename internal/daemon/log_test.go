package daemon

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
)

func TestNewLogger(t *testing.T) {
	tests := map[string]struct {
		cfg   LogConfig
		lines int // of debug, info, warn, error
		json  bool
	}{
		"default": {LogConfig{}, 3, false},
		"debug":   {LogConfig{Level: "debug", Format: "text"}, 4, false},
		"warn":    {LogConfig{Level: "warn", Format: "json"}, 2, true},
		"error":   {LogConfig{Level: "error", Format: "json"}, 1, true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			log, _, err := NewLogger(tt.cfg, &out)
			if err != nil {
				t.Fatal(err)
			}
			for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
				log.LogAttrs(t.Context(), level, "said", slog.Int("n", 1))
			}
			lines := strings.Split(strings.TrimSpace(out.String()), "\n")
			if len(lines) != tt.lines {
				t.Errorf("%d lines, want %d", len(lines), tt.lines)
			}
			if json.Valid([]byte(lines[0])) != tt.json {
				t.Errorf("the line is %s", lines[0])
			}
		})
	}
}

func TestNewLoggerRefuses(t *testing.T) {
	for _, cfg := range []LogConfig{{Format: "xml"}, {Level: "loud"}} {
		if _, _, err := NewLogger(cfg, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "must be") {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
}
