package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gopush/internal/cert"
	"gopush/internal/config"
	"gopush/message"
	"gopush/message/embedded"
)

// stubborn is a store that can be used once it is told so.
type stubborn struct {
	message.Store
	why atomic.Pointer[error]
}

func (s *stubborn) Check(context.Context) error { return *s.why.Load() }

func (s *stubborn) say(err error) { s.why.Store(&err) }

// reasons asks readiness, as an operator does.
func reasons(t *testing.T, sys *System) (status int, parts map[string]string) {
	t.Helper()
	scheme := "http://"
	if sys.Addrs().OpsTLS {
		scheme = "https://"
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, scheme+sys.Addrs().Ops+"/readyz", nil)
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: cert.ThisMachine()}}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil // it does not listen yet
	}
	defer resp.Body.Close()
	var body struct {
		Reasons []struct{ Part, Reason string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	parts = make(map[string]string)
	for _, r := range body.Reasons {
		parts[r.Part] = r.Reason
	}
	return resp.StatusCode, parts
}

// until asks readiness again and again.
func until(t *testing.T, sys *System, what string, cond func(status int, parts map[string]string) bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); ; {
		status, parts := reasons(t, sys)
		if cond(status, parts) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("never %s: %d %v", what, status, parts)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-t.Context().Done():
		}
	}
}

// TestStoreHoldsBack: a node whose store cannot be used says why, serves
// nothing, and goes on by itself once it can be.
func TestStoreHoldsBack(t *testing.T) {
	s := settings(t, filepath.Join(t.TempDir(), "data"))
	s.Store.Kind, s.Store.ZooKeeper = "hbase", []string{"127.0.0.1:2181"}
	var store stubborn
	store.say(errors.New("HBase has no table x. Run: gopush migrate up"))
	opened := config.Store{}
	sys, err := New(Config{Settings: s, OpenHBase: func(c config.Store, log *slog.Logger, _ prometheus.Registerer) (message.Store, error) {
		opened = c
		inner, err := embedded.Open(embedded.Config{Dir: filepath.Join(t.TempDir(), "store")}, log, time.Now)
		store.Store = inner
		return &store, err
	}}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- sys.Run(ctx) }()
	defer func() {
		cancel()
		if err := errors.Join(<-ended, sys.Close()); err != nil {
			t.Error(err)
		}
	}()
	if len(opened.ZooKeeper) != 1 || opened.Table != "gopush:messages" {
		t.Errorf("opened with %+v", opened)
	}
	until(t, sys, "not ready because of the store", func(status int, parts map[string]string) bool {
		return status == http.StatusServiceUnavailable && strings.Contains(parts["store"], "Run: gopush migrate up")
	})
	select {
	case <-sys.Ready():
		t.Fatal("it serves without a store")
	default:
	}
	store.say(nil)
	until(t, sys, "ready", func(status int, _ map[string]string) bool { return status == http.StatusOK })
	<-sys.Ready()
	store.say(errors.New("HBase does not answer"))
	until(t, sys, "not ready again", func(_ int, parts map[string]string) bool { return parts["store"] == "HBase does not answer" })
}

// TestIDsOutliveHBase: once messages may be in HBase, a folder that has lost
// its files of ids is not taken for a new one.
func TestIDsOutliveHBase(t *testing.T) {
	cfg := Config{Settings: settings(t, t.TempDir())}
	if fresh, err := cfg.fresh(); err != nil || !fresh {
		t.Fatal(fresh, err)
	}
	cfg.Settings.Store.Kind = hbaseKind
	cfg.OpenHBase = func(config.Store, *slog.Logger, prometheus.Registerer) (message.Store, error) {
		return new(stubborn), nil
	}
	if _, err := (&System{cfg: cfg, log: quiet}).storeOf(); err != nil {
		t.Fatal(err)
	}
	if fresh, err := cfg.fresh(); err != nil || fresh {
		t.Fatal(fresh, err)
	}
}

// TestInUse: who asks learns who has the folder, and leaves it as it was.
func TestInUse(t *testing.T) {
	dir := t.TempDir()
	if who, err := InUse(dir); who != "" || err != nil {
		t.Error(who, err)
	}
	lock, err := lockFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	if who, err := InUse(dir); who != fmt.Sprintf("the process %d", os.Getpid()) || err != nil {
		t.Errorf("%q %v", who, err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	if who, err := InUse(dir); who != "" || err != nil {
		t.Error(who, err)
	}
	if lock, err = lockFolder(dir); err != nil {
		t.Fatal("asking has taken it:", err)
	}
	if err := lock.Close(); err != nil {
		t.Error(err)
	}
	if found, wanted, err := StoreFormat(dir); found != "" || wanted == "" || err != nil {
		t.Error(found, wanted, err)
	}
}

// TestStoreWatch: others start once the store can be used, not before; and what
// comes later is known.
func TestStoreWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var store stubborn
		store.say(errors.New("away"))
		w := &storeWatch{store: &store, log: quiet}
		w.last.Store(&verdict{})
		ctx, cancel := context.WithCancel(t.Context())
		ready := make(chan struct{})
		ended := make(chan error)
		go func() { ended <- w.run(ctx, sync.OnceFunc(func() { close(ready) })) }()
		select {
		case <-ready:
			t.Error("others start without a store")
		case <-time.After(time.Minute):
		}
		store.say(nil)
		<-ready
		if err := w.last.Load().err; err != nil {
			t.Error(err)
		}
		store.say(errors.New("away again"))
		<-time.After(checkEvery + time.Second)
		if err := w.last.Load().err; err == nil || err.Error() != "away again" {
			t.Error(err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// TestDiskAlmostFull: on a disk without the room that was asked for pushes are refused and
// told why, and what is stored can be read. The disk is this machine's.
//
// Broken once by not giving the setting to the store.
func TestDiskAlmostFull(t *testing.T) {
	dir := t.TempDir()
	first := start(t, Config{Settings: settings(t, dir)})
	id := first.push("k", "1")
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	s := settings(t, dir)
	s.Store.MinFree = 1 << 50
	c := start(t, Config{Settings: s})
	var problem struct {
		Code, Detail string
		Retryable    bool
	}
	status := c.call(http.MethodPost, "http://"+c.sys.Addrs().Admin+"/v2/messages", `{"key":"k","data":2}`, &problem)
	if status != http.StatusServiceUnavailable || problem.Code != "store_unavailable" || !problem.Retryable || !strings.Contains(problem.Detail, "almost full") {
		t.Errorf("a push was answered %d %+v", status, problem)
	}
	if got := c.inbox("k"); len(got) != 1 || got[0].ID != id {
		t.Errorf("what was stored reads %+v", got)
	}
	for name, want := range map[string]func(float64) bool{
		"gopush_store_full":       func(v float64) bool { return v == 1 },
		"gopush_store_free_bytes": func(v float64) bool { return v > 0 && v < 1<<50 },
	} {
		if got := families(t, c.sys)[name].GetMetric()[0].GetGauge().GetValue(); !want(got) {
			t.Errorf("%s is %v", name, got)
		}
	}
}
