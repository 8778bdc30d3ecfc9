package serve

import (
	"os"

	"gopush/internal/daemon"
	"gopush/internal/trace"
	"gopush/internal/trace/otlp"
)

// openTraces makes the way of spans to the collector; nil: there is to be none.
func (s *System) openTraces() (*otlp.Exporter, error) {
	c := &s.cfg.Settings.Tracing
	if c.Endpoint == "" {
		return nil, nil
	}
	facts := map[string]string{
		"service.name": "gopush", "service.version": daemon.ThisBuild().Short(), "gopush.roles": s.cfg.Roles.String(),
		// What tells processes on one machine apart, and can be looked up.
		"service.instance.id": s.addrs.Ops,
	}
	if host, err := os.Hostname(); err == nil {
		facts["host.name"] = host
	}
	if s.cfg.Roles != All {
		facts["service.name"] = "gopush-" + s.cfg.Roles.String()
	}
	if s.cfg.Roles.Has(Comet) {
		facts["gopush.group"] = s.cfg.Settings.Comet.Group
	}
	return otlp.Open(otlp.Config{Endpoint: c.Endpoint, Sample: c.Sample, Resource: facts}, s.metrics, s.part("traces"))
}

// traces is what the roles make their tracers from; nil: there is no tracing.
func (s *System) traces() trace.Provider {
	if s.exporter == nil {
		return nil
	}
	return s.exporter.Provider()
}
