package hbase

import (
	"strings"
	"testing"
	"time"

	"gopush/internal/trace"
	"gopush/internal/trace/tracetest"
)

// A call of HBase in a trace has one span, with all that was tried again in it, and
// without its row, which is a key.
//
// Broken once by not counting the tries, and once by noting the row.
func TestTracedCall(t *testing.T) {
	bubble(t, func(c *Config) { c.Timeout = time.Minute }, func(t *testing.T, c *fakeCluster, s *Store) {
		c.move([]byte("hit"), "rs1:1") // which the store does not know
		r := tracetest.Record()
		span := trace.New(r, "test").Begin("", "store save", trace.Internal)
		if err := saveOne(span.In(t.Context()), s, hit); err != nil {
			t.Fatal(err)
		}
		span.End(nil)
		spans := r.Spans()
		if got, want := tracetest.Tree(spans), "store save\n  hbase save\n"; got != want {
			t.Fatalf("got\n%swant\n%s", got, want)
		}
		want := map[string]string{
			"db.system.name": "hbase", "db.operation.name": "save", "db.collection.name": "gopush:messages",
			"gopush.attempts": "2", "server.address": "rs1:1",
		}
		for name, value := range spans[0].Attrs {
			if want[name] != value {
				t.Errorf("%s is %q, want %q", name, value, want[name])
			}
			if strings.Contains(value, string(hit)) {
				t.Errorf("%s has the key: %q", name, value)
			}
		}
		if len(spans[0].Attrs) != len(want) {
			t.Errorf("got %v, want %v", spans[0].Attrs, want)
		}
	})
}
