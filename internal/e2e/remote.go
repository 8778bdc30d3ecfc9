package e2e

import (
	"net/http"
	"os"
	"testing"
	"time"
)

// remotePatience is how long an actor waits for an answer of a cluster elsewhere. It is
// longer than a push may take, and short enough to leave a node that hangs for another.
const remotePatience = 12 * time.Second

// Remote is a cluster that somebody else has started, as an object for the same actors and
// the same proof; it can be neither stopped nor killed here. where gives the addresses for
// one request, such as those of each web node in turn.
func Remote(tb testing.TB, where func() Addrs) *Cluster {
	tb.Helper()
	dir, err := os.MkdirTemp("", "gopush-remote-") //nolint:usetesting // it is kept when the test fails
	if err != nil {
		tb.Fatal(err)
	}
	// A connection to a node that is gone must not be taken for the next request.
	transport := &http.Transport{MaxIdleConnsPerHost: 512, IdleConnTimeout: 5 * time.Second}
	tb.Cleanup(func() {
		transport.CloseIdleConnections()
		if tb.Failed() {
			return // the history of the failure is in there
		}
		if err := os.RemoveAll(dir); err != nil {
			tb.Errorf("remove the folder of a history: %v", err)
		}
	})
	return &Cluster{tb: tb, dir: dir, API: &API{where: where, client: &http.Client{Transport: transport, Timeout: remotePatience}}}
}
