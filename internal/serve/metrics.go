package serve

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"gopush/internal/coord"
	"gopush/internal/coord/zk"
	"gopush/internal/daemon"
	"gopush/message/embedded"
)

// registry has what every process tells of itself, whichever roles it runs.
func (s *System) registry() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	b := daemon.ThisBuild()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "gopush_build_info", Help: "1; the labels say which build runs, in which roles, and which format its embedded store has.",
		ConstLabels: prometheus.Labels{
			"version": b.Version, "commit": b.Commit, "modified": strconv.FormatBool(b.Dirty), "goversion": b.Go,
			"roles": s.cfg.Roles.String(), "store": s.cfg.Settings.Store.Kind, "store_format": embedded.FormatVersion,
		},
	})
	build.Set(1)
	r := &s.reloads
	r.outcomes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "gopush_config_reloads_total", Help: "How often the settings were read again, by outcome: applied or refused.",
	}, []string{"outcome"})
	for _, outcome := range []string{"applied", "refused"} {
		r.outcomes.WithLabelValues(outcome)
	}
	reg.MustRegister(r.outcomes,
		gauge("gopush_config_last_reload_successful", "0 while the settings that were read last are refused; the next start would fail on them, too.",
			func() float64 { return bit(!r.refused.Load()) }),
		gauge("gopush_config_last_reload_success_timestamp_seconds", "When the settings that hold were read, in seconds since 1970.",
			func() float64 { return float64(r.at.Load()) / float64(time.Second) }),
	)
	reg.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), build,
		gauge("gopush_memory_limit_bytes", "What the memory of the process should stay below: GOMEMLIMIT, or nine tenths of the limit of its cgroup; close to 2^63 without.",
			func() float64 { return float64(s.pressure.Limit()) }),
		gauge("gopush_memory_short", "1 while new connections are refused, as memory is almost used up.", func() float64 { return bit(s.pressure.High()) }),
		gauge("gopush_memory_exhausted", "1 while pushes are refused as well, as memory is as good as used up.", func() float64 { return bit(s.pressure.Extreme()) }),
		gauge("gopush_ready", "1 while the process can serve, as /readyz says.", func() float64 { return bit(len(s.health.Reasons()) == 0) }),
	)
	return reg
}

func gauge(name, help string, value func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
}

func bit(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// watchCoordination tells how this process sees the cluster and what it sees it
// through.
func (s *System) watchCoordination() error {
	if err := s.metrics.Register(picture{s.coord}); err != nil {
		return err
	}
	if z, ok := s.coord.(*zk.Coordinator); ok {
		return s.metrics.Register(keeper{z})
	}
	return nil
}

// desc describes a metric of this package. Their labels are groups and kinds of nodes, which
// are as many as an operator has set up.
func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	descRing    = desc("gopush_cluster_ring_version", "Version of the ring that this process goes by; 0: it knows of none.")
	descPending = desc("gopush_cluster_ring_pending_version", "Version of the ring that is coming; 0: no change is under way.")
	descServing = desc("gopush_cluster_group_serving", "1 while the group has a primary, as this process sees it.", "group")
	descEpoch   = desc("gopush_cluster_group_epoch", "Epoch of the group's newest term, as this process sees it.", "group")
	descNodes   = desc("gopush_cluster_nodes", "Nodes of the cluster by kind, as this process sees it: primary, alternate or message.", "kind")
)

// picture is the cluster as this process sees it.
type picture struct{ dir coord.Directory }

// Describe implements prometheus.Collector.
func (picture) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descRing, descPending, descServing, descEpoch, descNodes} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (p picture) Collect(ch chan<- prometheus.Metric) {
	v := p.dir.View()
	tell(ch, descRing, float64(v.RingVersion))
	tell(ch, descPending, float64(v.PendingVersion))
	for name, g := range v.Groups {
		tell(ch, descServing, bit(g.Serving), name)
		tell(ch, descEpoch, float64(g.Epoch), name)
	}
	kinds := map[string]int{coord.Primary.String(): 0, coord.Alternate.String(): 0, "message": len(v.Messages)}
	for _, n := range v.Nodes {
		kinds[n.Role.String()]++
	}
	for kind, n := range kinds {
		tell(ch, descNodes, float64(n), kind)
	}
}

func tell(ch chan<- prometheus.Metric, d *prometheus.Desc, value float64, labels ...string) {
	ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
}

var (
	descSession   = desc("gopush_zookeeper_session", "1 while there is a session with ZooKeeper, as far as is known.")
	descConnected = desc("gopush_zookeeper_connected", "1 while the session has a connection to a ZooKeeper server.")
	descSilence   = desc("gopush_zookeeper_silence_seconds", "Time since anything came from ZooKeeper.")
	descBegun     = desc("gopush_zookeeper_sessions_total", "Sessions with ZooKeeper that have begun.")
	descLost      = desc("gopush_zookeeper_sessions_lost_total", "Sessions with ZooKeeper that were lost.")
)

// keeper is how this process stands with ZooKeeper.
type keeper struct{ coord *zk.Coordinator }

// Describe implements prometheus.Collector.
func (keeper) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{descSession, descConnected, descSilence, descBegun, descLost} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (k keeper) Collect(ch chan<- prometheus.Metric) {
	st := k.coord.Status()
	tell(ch, descSession, bit(st.Session))
	tell(ch, descConnected, bit(st.Connected))
	tell(ch, descSilence, st.Silence.Seconds())
	ch <- prometheus.MustNewConstMetric(descBegun, prometheus.CounterValue, float64(st.Begun))
	ch <- prometheus.MustNewConstMetric(descLost, prometheus.CounterValue, float64(st.Lost))
}
