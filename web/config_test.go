package web

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// TestConfigDefaults: each zero value stands for what its comment says.
func TestConfigDefaults(t *testing.T) {
	c := Config{Admins: testAdmins}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	if c.Limits.MaxBody != 65536 || c.Limits.DefaultTTL != 720*time.Hour || c.MaxTTL != 4294967295*time.Second || c.Limits.PushTimeout != 5*time.Second ||
		c.QueryTimeout != 5*time.Second || c.TimeTimeout != time.Second || c.ReadHeaderTimeout != 5*time.Second || c.ReadTimeout != 30*time.Second ||
		c.WriteTimeout != 30*time.Second || c.IdleTimeout != 2*time.Minute || c.BatchIdle != time.Minute || c.Drain != 10*time.Second ||
		c.MaxHeaderBytes != 16384 || c.Limits.NewestN != 0 || c.Limits.MaxConnections != 100_000 || c.Limits.MaxPerAddress != 0 {
		t.Errorf("%+v", c)
	}
}

func TestConfigRefuses(t *testing.T) {
	tests := []struct {
		name string
		edit func(*Config)
		want string
	}{
		{"no token", func(c *Config) { c.Admins = nil }, "nobody in Admins"},
		{"a negative timeout", func(c *Config) { c.Limits.PushTimeout = -1 }, "PushTimeout is -1ns"},
		{"a negative body", func(c *Config) { c.Limits.MaxBody = -1 }, "MaxBody is -1"},
		{"a giant body", func(c *Config) { c.Limits.MaxBody = 1 << 40 }, "MaxBody"},
		{"a tiny header", func(c *Config) { c.MaxHeaderBytes = 10 }, "MaxHeaderBytes is 10"},
		{"a negative newest", func(c *Config) { c.Limits.NewestN = -5 }, "NewestN is -5"},
		{"a negative number of connections", func(c *Config) { c.Limits.MaxConnections = -5 }, "MaxConnections is -5"},
		{"a negative number for an address", func(c *Config) { c.Limits.MaxPerAddress = -5 }, "MaxPerAddress is -5"},
		{"a longer life than v1's", func(c *Config) { c.MaxTTL = 4294967296 * time.Second }, "MaxTTL"},
		{"a default above the maximum", func(c *Config) { c.MaxTTL = time.Hour }, "DefaultTTL"},
		{"an origin with a path", func(c *Config) { c.Limits.CORSOrigins = []string{"https://a.example/x"} }, "CORSOrigins"},
		{"an origin without scheme", func(c *Config) { c.Limits.CORSOrigins = []string{"a.example"} }, "CORSOrigins"},
		{"two faults", func(c *Config) { c.Drain, c.IdleTimeout = -1, -1 }, "Drain"},
	}
	for _, tt := range tests {
		c := Config{Admins: testAdmins}
		tt.edit(&c)
		err := c.Validate()
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	for _, c := range []Config{{DevLoopback: true}, {Admins: testAdmins, Limits: Limits{CORSOrigins: []string{"*", "http://localhost:3000"}}}} {
		if err := c.Validate(); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestNewNeedsItsDependencies(t *testing.T) {
	c := newCluster(t, "node1")
	whole := Deps{Directory: c, Admin: c, Comet: c.comet, Messages: c, Log: discard()}
	if _, err := New(Config{Admins: testAdmins}, whole); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*Deps){
		"Directory": func(d *Deps) { d.Directory = nil }, "Comet": func(d *Deps) { d.Comet = nil },
		"Messages": func(d *Deps) { d.Messages = nil }, "Log": func(d *Deps) { d.Log = nil },
	} {
		d := whole
		edit(&d)
		if _, err := New(Config{Admins: testAdmins}, d); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
	}
	if _, err := New(Config{}, whole); err == nil {
		t.Error("a server without a token")
	}
}

// TestMetrics: names and labels are sound, and do not grow with keys or clients.
func TestMetrics(t *testing.T) {
	c := newCluster(t, "node1")
	reg := prometheus.NewPedanticRegistry()
	deps := Deps{Directory: c, Admin: c, Comet: c.comet, Messages: c, Log: discard(), Metrics: reg}
	s, err := New(Config{Admins: testAdmins}, deps)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{Admins: testAdmins}, deps); err == nil {
		t.Error("the same metrics can be registered twice")
	}
	before := 0
	for i := range 50 {
		serve(s.Admin(), "POST", "/v2/messages", `{"key":"k`+strings.Repeat("x", i)+`","data":1}`)
		serve(s.Public(), "GET", "/v2/messages?key="+strings.Repeat("x", i), "")
		serve(s.Public(), "GET", "/nothing/"+strings.Repeat("x", i), "")
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, f := range families {
			n += len(f.GetMetric())
		}
		if i == 1 {
			before = n
		} else if i > 1 && n != before {
			t.Fatalf("%d series after %d keys, %d before", n, i, before)
		}
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
	for _, f := range families {
		if f.GetName() == "gopush_web_pushes_total" && f.GetMetric()[0].GetCounter().GetValue() != 50 {
			t.Errorf("%v pushes counted", f)
		}
	}
}
