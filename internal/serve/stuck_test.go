package serve

import (
	"context"
	"errors"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gopush/internal/daemon"
	"gopush/internal/push"
	"gopush/message"
	"gopush/message/embedded"
)

// hung is a store whose writes do not come back, whatever their context says.
type hung struct {
	message.Store
	called  chan struct{}
	release chan struct{}
	saved   chan struct{}
	closed  atomic.Bool
}

func (h *hung) Save(ctx context.Context, writes []push.Write) []error {
	select {
	case h.called <- struct{}{}:
	default:
	}
	<-h.release
	defer func() { h.saved <- struct{}{} }()
	return h.Store.Save(ctx, writes)
}

func (h *hung) Close() error {
	h.closed.Store(true)
	return h.Store.Close()
}

// TestStopIsBounded: a disk that hangs holds the process no longer than the
// grace, and the store is not closed under the write.
func TestStopIsBounded(t *testing.T) {
	dir := t.TempDir()
	inner, err := embedded.Open(embedded.Config{Dir: filepath.Join(dir, storeFolder)}, quiet, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	store := &hung{Store: inner, called: make(chan struct{}, 1), release: make(chan struct{}), saved: make(chan struct{}, 16)}
	s := settings(t, filepath.Join(dir, "data"))
	s.Drain = time.Second
	sys, err := New(Config{Settings: s, OpenStore: func(string) (message.Store, error) { return store, nil }}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- sys.Run(ctx) }()
	<-sys.Ready()
	pushed := make(chan struct{})
	go func() {
		defer close(pushed)
		client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+sys.Addrs().Admin+"/v2/messages", strings.NewReader(`{"key":"k","data":1}`))
		if err != nil {
			t.Error(err)
			return
		}
		req.Header.Set("Authorization", "Bearer "+sys.Token())
		req.Header.Set("Content-Type", "application/json")
		if resp, err := client.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusCreated {
				t.Error("a push was acknowledged that was never stored")
			}
		}
	}()
	<-store.called
	cancel()
	if err := <-ended; !errors.Is(err, daemon.ErrGrace) || !strings.Contains(err.Error(), "message") {
		t.Errorf("Run says %v", err)
	}
	if err := sys.Close(); err != nil {
		t.Errorf("Close says %v", err)
	}
	if store.closed.Load() {
		t.Error("the store was closed under a write")
	}
	// What was left behind ends now, and only then the store.
	close(store.release)
	<-pushed
	<-store.saved
	if err := inner.Close(); err != nil {
		t.Error(err)
	}
}
