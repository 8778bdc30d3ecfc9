package serve

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"gopush/internal/config"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

// settings are for a folder of the test, on free ports.
func settings(t testing.TB, dir string) config.Serve {
	t.Helper()
	s := config.Default()
	s.Data = dir
	if err := s.PortsFrom(0); err != nil {
		t.Fatal(err)
	}
	return s
}

// cluster is a System that runs, seen through its APIs alone.
type cluster struct {
	t    testing.TB
	sys  *System
	http *http.Client
	stop func() error // ends Run and closes; idempotent
}

// start returns when the system is ready. It ends with the test at the latest.
func start(t testing.TB, cfg Config) *cluster {
	t.Helper()
	return startLogging(t, cfg, quiet)
}

func startLogging(t testing.TB, cfg Config, log *slog.Logger) *cluster {
	t.Helper()
	sys, err := New(cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- sys.Run(ctx) }()
	c := &cluster{t: t, sys: sys, http: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
	c.stop = sync.OnceValue(func() error {
		cancel()
		return errors.Join(<-ended, sys.Close())
	})
	t.Cleanup(func() {
		if err := c.stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	select {
	case <-sys.Ready():
	case err := <-ended:
		ended <- err
		t.Fatalf("not ready: %v", err)
	}
	return c
}

// call makes a request with the admin token and decodes what comes back.
func (c *cluster) call(method, url, body string, out any) int {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+c.sys.Token())
	resp, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	if resp.StatusCode >= 300 && resp.StatusCode != http.StatusServiceUnavailable {
		c.t.Errorf("%s %s: %d %s", method, url, resp.StatusCode, b)
	}
	if out != nil {
		if err := json.Unmarshal(b, out); err != nil {
			c.t.Fatalf("%s: %v", b, err)
		}
	}
	return resp.StatusCode
}

// public and admin are the URLs of the two APIs.
func (c *cluster) public() string { return c.scheme() + c.sys.Addrs().Public }
func (c *cluster) admin() string  { return c.scheme() + c.sys.Addrs().Admin }

func (c *cluster) scheme() string {
	if c.sys.Addrs().TLS {
		return "https://"
	}
	return "http://"
}

// push returns the id of the message.
func (c *cluster) push(key, data string) string {
	c.t.Helper()
	var receipt struct{ ID string }
	c.call(http.MethodPost, c.admin()+"/v2/messages", `{"key":"`+key+`","data":`+data+`}`, &receipt)
	return receipt.ID
}

type stored struct {
	ID, Prev string
	Data     json.RawMessage
}

func (c *cluster) inbox(key string) []stored {
	c.t.Helper()
	var page struct{ Messages []stored }
	c.call(http.MethodGet, c.public()+"/v2/messages?key="+key+"&after=0", "", &page)
	return page.Messages
}

// node gives the SSE address of a key.
func (c *cluster) node(key string) (name, sse string) {
	c.t.Helper()
	var node struct{ Node, SSE string }
	c.call(http.MethodGet, c.public()+"/v2/node?key="+key, "", &node)
	return node.Node, node.SSE
}

// events is an SSE stream.
type events struct {
	t    testing.TB
	body io.ReadCloser
	scan *bufio.Scanner
}

func (c *cluster) listen(key string) *events {
	c.t.Helper()
	_, sse := c.node(key)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	c.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, sse+"?after=0&key="+key, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = resp.Body.Close() })
	return &events{c.t, resp.Body, bufio.NewScanner(resp.Body)}
}

// next is the data of the next event with that name; ok is false at the end.
func (e *events) next(name string) (data string, ok bool) {
	e.t.Helper()
	found := false
	for e.scan.Scan() {
		line := e.scan.Text()
		switch {
		case line == "event: "+name:
			found = true
		case found && strings.HasPrefix(line, "data: "):
			return strings.TrimPrefix(line, "data: "), true
		}
	}
	return "", false
}
