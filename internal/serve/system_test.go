package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gopush/internal/config"
	"gopush/message"
)

// TestOneMachine pushes to a device that is offline, connects it, and comes
// back after a restart.
func TestOneMachine(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	c := start(t, Config{Settings: settings(t, dir)})
	token := c.sys.Token()
	first := c.push("k", `{"n":1}`)
	stream := c.listen("k")
	if data, ok := stream.next("message"); !ok || !strings.Contains(data, `"id":"`+first+`"`) {
		t.Errorf("stored: %s", data)
	}
	if _, ok := stream.next("live"); !ok {
		t.Error("never live")
	}
	second := c.push("k", `{"n":2}`)
	if data, ok := stream.next("message"); !ok || !strings.Contains(data, `"prev":"`+first+`"`) {
		t.Errorf("live: %s", data)
	}
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}

	c = start(t, Config{Settings: settings(t, dir)})
	if c.sys.Token() != token {
		t.Error("the restart has made a new token")
	}
	third := c.push("k", `{"n":3}`)
	got := c.inbox("k")
	if len(got) != 3 || got[0].ID != first || got[1].ID != second || got[2].ID != third || got[2].Prev != second {
		t.Errorf("after the restart: %+v", got)
	}
}

// TestDrain: a client is told to move, and the stop is well within its bound.
func TestDrain(t *testing.T) {
	s := settings(t, t.TempDir())
	s.Drain = time.Minute
	c := start(t, Config{Settings: s})
	stream := c.listen("k")
	if _, ok := stream.next("live"); !ok {
		t.Fatal("never live")
	}
	begun := time.Now()
	if err := c.stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("the stop took %s", took)
	}
	if data, ok := stream.next("move"); !ok || !strings.Contains(data, "retry_after_ms") {
		t.Errorf("the client was not told to move: %q", data)
	}
	if _, ok := stream.next("message"); ok {
		t.Error("the connection stays open")
	}
}

// TestClockSteps: ids grow through restarts whatever the clock does.
func TestClockSteps(t *testing.T) {
	dir := t.TempDir()
	var last int64
	base := time.Now()
	for _, step := range []time.Duration{0, -time.Hour, time.Hour, -2 * time.Hour} {
		var offset atomic.Int64
		offset.Store(int64(step))
		now := func() time.Time { return base.Add(time.Duration(offset.Load())) }
		c := start(t, Config{Settings: settings(t, dir), Now: now})
		for range 2 {
			id, err := strconv.ParseInt(c.push("k", "1"), 10, 64)
			if err != nil || id <= last {
				t.Errorf("clock at %s: id %d after %d, %v", step, id, last, err)
			}
			last = id
			offset.Add(-int64(time.Hour)) // and while it runs
		}
		if err := c.stop(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTwoComets: each key has one owner, and public messages reach both.
func TestTwoComets(t *testing.T) {
	s := settings(t, t.TempDir())
	more := s.Comet
	more.Group = "node2"
	c := start(t, Config{Settings: s, MoreComets: []config.Comet{more}})
	if n := len(c.sys.Addrs().Comets); n != 2 {
		t.Fatalf("%d comets", n)
	}
	var streams []*events
	for key, want := range map[string]string{"c": "node1", "a": "node2"} { // from the vectors of protocol v1
		if name, sse := c.node(key); name != want || !strings.Contains(sse, "/v2/events") {
			t.Errorf("%s lives on %s at %s, want %s", key, name, sse, want)
		}
		id := c.push(key, `"x"`)
		stream := c.listen(key)
		if data, _ := stream.next("message"); !strings.Contains(data, id) {
			t.Errorf("%s: %s", key, data)
		}
		streams = append(streams, stream)
	}
	c.call(http.MethodPost, "http://"+c.sys.Addrs().Admin+"/v2/broadcast", `{"data":"to all"}`, nil)
	for _, stream := range streams {
		if data, _ := stream.next("message"); !strings.Contains(data, "to all") || !strings.Contains(data, `"public":true`) {
			t.Errorf("public: %s", data)
		}
	}
}

func TestDevelopmentMode(t *testing.T) {
	dir := t.TempDir()
	s := settings(t, dir)
	s.Dev = true
	c := start(t, Config{Settings: s})
	if c.sys.Token() != "" {
		t.Error("there is a token")
	}
	resp, err := c.http.Post("http://"+c.sys.Addrs().Admin+"/v2/messages", "application/json", strings.NewReader(`{"key":"k","data":1}`))
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		t.Errorf("status %d", resp.StatusCode)
	}
	if _, err := os.Stat(filepath.Join(dir, tokenFile)); err == nil {
		t.Error("a token was written")
	}
}

func TestOps(t *testing.T) {
	c := start(t, Config{Settings: settings(t, t.TempDir())})
	base := "http://" + c.sys.Addrs().Ops
	var state struct {
		Ready   bool
		Reasons []json.RawMessage
	}
	if status := c.call(http.MethodGet, base+"/readyz", "", &state); status != 200 || !state.Ready {
		t.Errorf("%d %+v", status, state)
	}
	c.push("k", "1")
	resp, err := c.http.Get(base + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body := new(strings.Builder)
	if err := resp.Write(body); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"go_goroutines", "process_open_fds", `group="node1"`, "gopush_"} {
		if !strings.Contains(body.String(), want) {
			t.Errorf("no %s among the metrics", want)
		}
	}
}

// TestReadiness: before and after, the process says that it does not serve.
func TestReadiness(t *testing.T) {
	sys, err := New(Config{Settings: settings(t, t.TempDir())}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := sys.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := sys.life(); err == nil || err.Error() != "starting" {
		t.Errorf("before: %v", err)
	}
	if sys.coord.View().Groups["node1"].Serving {
		t.Error("a group serves before Run")
	}
	sys.stopping.Store(true)
	if err := sys.life(); err == nil || err.Error() != "stopping" {
		t.Errorf("after: %v", err)
	}
}

func TestFolderInUse(t *testing.T) {
	dir := t.TempDir()
	c := start(t, Config{Settings: settings(t, dir)})
	_, err := New(Config{Settings: settings(t, dir)}, quiet)
	for _, want := range []string{dir, "in use", strconv.Itoa(os.Getpid()), "--data"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	start(t, Config{Settings: settings(t, dir)})
}

// TestPortInUse: every address that is taken is named, and nothing stays behind.
func TestPortInUse(t *testing.T) {
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s := settings(t, dir)
	s.Web.Public, s.Comet.TCP = l.Addr().String(), l.Addr().String()
	_, err = New(Config{Settings: s}, quiet)
	for _, want := range []string{"web.public", "comet.tcp", l.Addr().String(), "--ports-from"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, storeFolder)); err == nil {
		t.Error("a store was made")
	}
	start(t, Config{Settings: settings(t, dir)})
}

// TestLostCoordination: without its ids a folder with messages must not serve.
func TestLostCoordination(t *testing.T) {
	dir := t.TempDir()
	c := start(t, Config{Settings: settings(t, dir)})
	c.push("k", "1")
	if err := c.stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(dir, coordFolder)); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Config{Settings: settings(t, dir)}, quiet); err == nil || !strings.Contains(err.Error(), "restore") {
		t.Errorf("error %v", err)
	}
	// Who gives the messages up may begin again.
	if err := os.RemoveAll(filepath.Join(dir, storeFolder)); err != nil {
		t.Fatal(err)
	}
	// The attempt above must not have made a beginning of its own.
	start(t, Config{Settings: settings(t, dir)})
}

func TestStoreFails(t *testing.T) {
	dir := t.TempDir()
	broken := errors.New("broken")
	_, err := New(Config{Settings: settings(t, dir), OpenStore: func(path string) (message.Store, error) {
		if path != filepath.Join(dir, storeFolder) {
			t.Errorf("opened %s", path)
		}
		return nil, broken
	}}, quiet)
	if !errors.Is(err, broken) {
		t.Errorf("error %v", err)
	}
	start(t, Config{Settings: settings(t, dir)})
}

func TestConfig(t *testing.T) {
	good := settings(t, t.TempDir())
	bad := good
	bad.Comet.Weight = 0
	twin := good.Comet
	wild := good.Comet
	wild.Group, wild.RPC = "node2", "0.0.0.0:0"
	for name, cfg := range map[string]Config{
		"settings": {Settings: bad},
		"twins":    {Settings: good, MoreComets: []config.Comet{twin}},
		"open rpc": {Settings: good, MoreComets: []config.Comet{wild}},
	} {
		if _, err := New(cfg, quiet); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestRunOnce(t *testing.T) {
	c := start(t, Config{Settings: settings(t, t.TempDir())})
	if err := c.sys.Run(t.Context()); err == nil {
		t.Error("it runs twice")
	}
	if err := c.stop(); err != nil {
		t.Error(err)
	}
	if err := c.sys.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
}

// TestAdvertised: clients are told the advertised address, not the bound one.
func TestAdvertised(t *testing.T) {
	s := settings(t, t.TempDir())
	s.Comet.AdvertiseHTTP, s.Comet.AdvertiseTCP = "push.example.org:80", "push.example.org:81"
	c := start(t, Config{Settings: s})
	var node struct{ WS, SSE, TCP string }
	c.call(http.MethodGet, "http://"+c.sys.Addrs().Public+"/v2/node?key=k", "", &node)
	want := "{ws://push.example.org:80/v2/stream http://push.example.org:80/v2/events push.example.org:81}"
	if got := fmt.Sprint(node); got != want {
		t.Errorf("told %s, want %s", got, want)
	}
}
