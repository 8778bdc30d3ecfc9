package comet

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gopush/internal/push"
)

// counting is a message node that counts what it is asked.
type counting struct {
	*memory
	asked atomic.Int64
}

func (c *counting) Read(ctx context.Context, key push.Key, span push.Span) (push.Page, error) {
	c.asked.Add(1)
	return c.memory.Read(ctx, key, span)
}

func (c *counting) Newest(ctx context.Context, key push.Key) (push.ID, error) {
	c.asked.Add(1)
	return c.memory.Newest(ctx, key)
}

// refused is what a node says to a token on one protocol, to the byte.
func refused(t *testing.T, n *Node, protocol, key, token string) string {
	t.Helper()
	switch protocol {
	case "tcp":
		conn := dial(t, n)
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second)) // the node may be stuck
		go func() { _, _ = conn.Write([]byte(resp("sub", key, "30", token, "1"))) }()
		said, err := io.ReadAll(conn)
		if err != nil {
			t.Fatalf("%s: %v", protocol, err)
		}
		return string(said)
	case "sse":
		r := httptest.NewRequest(http.MethodGet, "/v2/events?after=0&key="+key, nil)
		r.Header.Set("Authorization", "Bearer "+token)
		w, done := httptest.NewRecorder(), make(chan struct{})
		go func() { defer close(done); n.mux().ServeHTTP(w, r) }()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			t.Fatal("sse: no answer")
		}
		return fmt.Sprint(w.Code, w.Header(), w.Body)
	}
	path := "/sub?heartbeat=30&key=" + key + "&token=" + token
	if protocol == "ws v2" {
		path = "/v2/stream?after=0&key=" + key + " HTTP/1.1\r\nAuthorization: Bearer " + token + "\r\nX:"
	}
	conn := upgraded(t, n, path)
	before, code := untilClose(t, conn)
	said := binary.BigEndian.AppendUint16(before, uint16(code))
	say(t, conn, masked(opcodeClose, string(said[len(said)-2:])))
	rest, _ := io.ReadAll(conn)
	return string(append(said, rest...))
}

// TestEnumeration: whoever has no token for a key learns nothing of it, on any protocol: to a key
// with messages, to one that is connected and to one that nobody has heard of the node says the
// same bytes, and goes the same way. Nothing is asked of the store, and nothing is looked up among
// the keys that are connected: all of that is locked meanwhile, so that a look would never end.
//
// Broken once by looking for the key's channel before its token is checked, once for v1 and once for
// v2 by asking for its newest id then, and once by naming it in the answer.
func TestEnumeration(t *testing.T) {
	n, _ := withTokens(t)
	store, ok := n.deps.Messages.(*memory)
	if !ok {
		t.Fatalf("messages are in %T", n.deps.Messages)
	}
	spy := &counting{memory: store}
	n.deps.Messages = spy
	mustPush(t, n, "stored", `1`)
	bearing(t, n, "right") // of the key a
	before := spy.asked.Load()
	for i := range n.table.shards {
		n.table.shards[i].mu.Lock()
	}
	unlock := sync.OnceFunc(func() {
		for i := range n.table.shards {
			n.table.shards[i].mu.Unlock()
		}
	})
	defer unlock()
	for _, protocol := range []string{"tcp", "ws v1", "ws v2", "sse"} {
		for _, token := range []string{"", "guess", "expired"} {
			alike(t, n, protocol, token, "stored", "unknown", "a")
		}
		alike(t, n, protocol, "other", "stored", "unknown", "a") // it is for b
		alike(t, n, protocol, "right", "stored", "unknown")
	}
	unlock()
	if asked := spy.asked.Load() - before; asked != 0 {
		t.Errorf("the store was asked %d times", asked)
	}
}

// alike compares what is said of keys to the same token.
func alike(t *testing.T, n *Node, protocol, token string, keys ...string) {
	t.Helper()
	first := refused(t, n, protocol, keys[0], token)
	if first == "" || bytes.Contains([]byte(first), []byte(keys[0])) {
		t.Errorf("%s, token %q: %q", protocol, token, first)
	}
	for _, key := range keys[1:] {
		if got := refused(t, n, protocol, key, token); got != first {
			t.Errorf("%s, token %q: %q for %s, %q for %s", protocol, token, got, key, first, keys[0])
		}
	}
}
