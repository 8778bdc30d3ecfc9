package message_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"gopush/internal/push"
	"gopush/internal/rpc"
	"gopush/message"
	"gopush/message/embedded"
)

// The node counts what became of each message, what it refused and why, and each
// operation of its store by its outcome.
//
// Broken once by not counting what is fenced, and once by counting a save as one
// operation whatever it holds.
// Broken once more by telling the time of reads as that of saves.
func TestMetrics(t *testing.T) {
	store, err := embedded.Open(embedded.Config{Dir: t.TempDir()}, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	reg := prometheus.NewRegistry()
	svc, err := message.NewService(message.Config{Metrics: reg}, store)
	if err != nil {
		t.Fatal(err)
	}
	n := node{svc, store, t}
	for i, msgs := range [][]push.Message{{msg(16, "1", "i"), msg(32, "2")}, {msg(48, "1", "i")}, {msg(64, "other", "i")}} {
		if _, err := n.write(min(push.ID(i), 1)*32, msgs...); err != nil {
			t.Fatal(err)
		}
	}
	n.Save(t.Context(), []push.Write{
		{Key: "a", Messages: []push.Message{msg(16, "1")}, Group: "node1", Epoch: 7},
		{Key: "b", Messages: []push.Message{msg(16, "1")}, Group: "node1", Epoch: 7},
	}, func(int, push.Written, error) {})
	if err := n.Recall(t.Context(), "a", 16, rpc.Fence{Group: "node1", Epoch: 6}); !push.Is(err, push.KindFenced) {
		t.Fatalf("a writer whose epoch is over: %v", err)
	}
	if err := n.Recall(t.Context(), "a", 160, rpc.Fence{Group: "node1", Epoch: 7}); !push.Is(err, push.KindNotFound) {
		t.Fatalf("a message that is not there: %v", err)
	}
	const want = `
# HELP gopush_message_messages_total Messages that were to be stored, by outcome: stored, duplicate, conflict, or the kind of the error.
# TYPE gopush_message_messages_total counter
gopush_message_messages_total{outcome="conflict"} 1
gopush_message_messages_total{outcome="duplicate"} 1
gopush_message_messages_total{outcome="stored"} 4
# HELP gopush_message_refusals_total Calls that were refused before the store was asked, by reason: busy, late or fenced.
# TYPE gopush_message_refusals_total counter
gopush_message_refusals_total{reason="busy"} 0
gopush_message_refusals_total{reason="fenced"} 1
gopush_message_refusals_total{reason="late"} 0
`
	if err := testutil.GatherAndCompare(reg, strings.NewReader(want), "gopush_message_messages_total", "gopush_message_refusals_total"); err != nil {
		t.Error(err)
	}
	before := svc.Counts()
	if _, err := svc.Read(t.Context(), "a", push.Span{Limit: 1}); err != nil {
		t.Fatal(err)
	}
	// The two rows of one frame are one call.
	if c := svc.Counts(); c.Saves != 2 || c.Reads != before.Reads+1 || c.SaveTime != before.SaveTime || c.SaveTime <= 0 || c.ReadTime <= before.ReadTime || c.Pushes != 0 {
		t.Errorf("counts: %+v, before that %+v", c, before)
	}
	if got := counted(t, reg, "gopush_store_operations_total"); got["save ok"] != 3 || got["recall not_found"] != 1 || got["find ok"] != 3 {
		t.Errorf("operations of the store: %v", got)
	}
}

// counted are the values of a counter, by the values of its labels.
func counted(t *testing.T, reg *prometheus.Registry, name string) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			if f.GetName() == name {
				got[strings.Join(labels, " ")] = m.GetCounter().GetValue()
			}
		}
	}
	return got
}
