package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"gopush/comet/wire"
	"gopush/internal/push"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// network joins clients to servers in memory, so that time can be faked.
type network struct {
	conns chan net.Conn
	down  chan struct{}
}

func newNetwork() *network {
	return &network{conns: make(chan net.Conn), down: make(chan struct{})}
}

func (n *network) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	mine, theirs := net.Pipe()
	select {
	case n.conns <- theirs:
		return mine, nil
	case <-n.down:
		return nil, errors.New("connection refused")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (n *network) Accept() (net.Conn, error) {
	select {
	case c := <-n.conns:
		return c, nil
	case <-n.down:
		return nil, net.ErrClosed
	}
}

func (n *network) Close() error   { close(n.down); return nil }
func (n *network) Addr() net.Addr { return &net.UnixAddr{Name: "memory"} }

// script is what the fake node does with one connection. The connection is cut
// when it returns.
type script func(p *peer)

// fake is a web and a node in one: it answers lookups, and serves one script
// after the other to the connections that come. After the last script it refuses
// the client for good, which ends Run.
type fake struct {
	t       *testing.T
	lookup  http.HandlerFunc // nil: names this node
	mu      sync.Mutex
	scripts []script // guarded by mu
	peers   sync.WaitGroup
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/v2/node":
		if f.lookup != nil {
			f.lookup(w, r)
			return
		}
		fmt.Fprintf(w, `{"key":%q,"node":"node1","ws":"ws://%s/v2/stream","sse":"","tcp":""}`, r.URL.Query().Get("key"), r.Host)
	case "/v2/stream":
		f.peers.Add(1)
		defer f.peers.Done()
		up := websocket.Upgrader{Subprotocols: []string{wire.Subprotocol}}
		ws, err := up.Upgrade(w, r, nil)
		if err != nil {
			f.t.Errorf("upgrade: %v", err)
			return
		}
		f.serve(&peer{t: f.t, ws: ws, query: r.URL.Query(), header: r.Header, said: make(chan string, 64)})
	default:
		http.NotFound(w, r)
	}
}

func (f *fake) next() script {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.scripts) == 0 {
		return func(p *peer) { p.close(wire.CloseBadRequest) }
	}
	s := f.scripts[0]
	f.scripts = f.scripts[1:]
	return s
}

func (f *fake) serve(p *peer) {
	var reader sync.WaitGroup
	p.ws.SetPongHandler(func(data string) error { p.hear("pong " + data); return nil })
	reader.Go(func() {
		defer close(p.said)
		for {
			_, data, err := p.ws.ReadMessage()
			if e, ok := errors.AsType[*websocket.CloseError](err); ok && e.Code != websocket.CloseAbnormalClosure {
				p.hear(fmt.Sprint("close ", e.Code))
			}
			if err != nil {
				return
			}
			p.hear(string(data))
		}
	})
	f.next()(p)
	_ = p.ws.Close()
	reader.Wait()
}

// peer is the node's side of one connection.
type peer struct {
	t      *testing.T
	ws     *websocket.Conn
	query  url.Values
	header http.Header
	said   chan string // what the client sent; closed when it is gone
}

func (p *peer) hear(s string) {
	select {
	case p.said <- s:
	default:
		p.t.Errorf("the client says too much: %s", s)
	}
}

// send ignores errors: a client may leave at any time.
func (p *peer) send(frame []byte) { _ = p.ws.WriteMessage(websocket.TextMessage, frame) }

// ready says where the streams begin, as a node does that has nothing newer than
// the cursors that it is asked for.
func (p *peer) ready() { p.readyAt(0, 0) }

func (p *peer) readyAt(newest, public push.ID) {
	s, err := wire.ParseStreamQuery(p.query.Encode())
	if err != nil {
		p.t.Errorf("query: %v", err)
	}
	if s.HasAfter {
		newest = s.After
	}
	if s.HasPublicAfter {
		public = s.PublicAfter
	}
	p.send(wire.AppendReady(nil, wire.Ready{
		Key: s.Key, Node: "node1", Cursor: newest, PublicCursor: public, Resumed: s.HasAfter, HeartbeatS: 30,
	}))
}

func message(id, prev push.ID) *push.Message {
	return &push.Message{ID: id, Prev: prev, ExpiresAt: 1e12, Body: fmt.Appendf(nil, "%d", id)}
}

func (p *peer) message(id, prev push.ID) { p.send(wire.AppendMessage(nil, message(id, prev), false)) }

func (p *peer) publicMessage(id, prev push.ID) {
	p.send(wire.AppendMessage(nil, message(id, prev), true))
}

func (p *peer) gap(after, until push.ID) {
	p.send(wire.AppendGap(nil, push.Gap{After: after, Until: until, Reason: push.GapExpired}, false))
}

func (p *peer) live() { p.send(wire.AppendLive(nil)) }

func (p *peer) recall(id push.ID) { p.send(wire.AppendRecall(nil, id, false)) }

// close sends a Close frame and waits for the client's answer.
func (p *peer) close(code wire.CloseCode) {
	msg := websocket.FormatCloseMessage(int(code), code.Text())
	_ = p.ws.WriteControl(websocket.CloseMessage, msg, time.Now().Add(time.Second))
	p.untilGone()
}

// untilGone waits until the client has left, and gives the last that it said.
func (p *peer) untilGone() (last string) {
	for s := range p.said {
		last = s
	}
	return last
}

// discard takes no log.
func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

// run is one client against a fake.
type run struct {
	fake   *fake
	cfg    Config
	jitter func(time.Duration) time.Duration // nil: all of it
	events []string
	client *Client
}

// start makes the client and serves the fake over network until the test ends.
func (r *run) start(t *testing.T, scripts ...script) {
	t.Helper()
	net := newNetwork()
	if r.fake == nil {
		r.fake = &fake{}
	}
	r.fake.t, r.fake.scripts = t, scripts
	srv := &http.Server{Handler: r.fake}
	var serving sync.WaitGroup
	serving.Go(func() { _ = srv.Serve(net) })
	t.Cleanup(func() {
		_ = srv.Close()
		r.fake.peers.Wait()
		serving.Wait()
	})
	r.make(t, net.dial, "http://web")
}

func (r *run) make(t *testing.T, dial func(context.Context, string, string) (net.Conn, error), base string) {
	t.Helper()
	r.cfg.NodeURL, r.cfg.Key = base, "k"
	handle := r.cfg.OnEvent
	r.cfg.OnEvent = func(ctx context.Context, ev Event) error {
		r.events = append(r.events, describe(ev))
		if handle != nil {
			return handle(ctx, ev)
		}
		return nil
	}
	if r.jitter == nil {
		r.jitter = func(limit time.Duration) time.Duration { return limit }
	}
	c, err := New(r.cfg, Deps{Log: discard(), Dial: dial, Jitter: r.jitter})
	if err != nil {
		t.Fatal(err)
	}
	r.client = c
}

// describe puts an event into one line, with its cursors at the end.
func describe(ev Event) string {
	var s strings.Builder
	s.WriteString(string(ev.Kind))
	if ev.Public {
		s.WriteString(" public")
	}
	switch ev.Kind {
	case KindReady:
		fmt.Fprintf(&s, " %s resumed=%v", ev.Node, ev.Resumed)
	case KindMessage, KindRepeat:
		if ev.Transient {
			s.WriteString(" transient")
		}
		fmt.Fprintf(&s, " %d", ev.ID)
	case KindGap:
		fmt.Fprintf(&s, " %d-%d %s", ev.Gap.After, ev.Gap.Until, ev.Gap.Reason)
	case KindRecall:
		fmt.Fprintf(&s, " %d", ev.ID)
	case KindDisconnected:
		what := "cut"
		if ce, ok := errors.AsType[*CloseError](ev.Err); ok {
			what = fmt.Sprint(int(ce.Code))
		}
		if ce, ok := errors.AsType[*ChainError](ev.Err); ok {
			what = fmt.Sprintf("chain public=%v %d<-%d at %d", ce.Public, ce.Prev, ce.ID, ce.Cursor)
		}
		if le, ok := errors.AsType[*LookupError](ev.Err); ok {
			what = fmt.Sprintf("lookup %d %s", le.Status, le.Code)
		}
		if te, ok := errors.AsType[*TokenError](ev.Err); ok {
			what = "token: " + te.Err.Error()
		}
		if errors.Is(ev.Err, ErrProtocol) {
			what = "protocol"
		}
		fmt.Fprintf(&s, " %s, retry in %s", what, ev.RetryIn)
	}
	return fmt.Sprintf("%s @%d/%d", s.String(), ev.Cursor, ev.PublicCursor)
}

// refused is how Run ends when the fake has no more scripts.
func refused(t *testing.T, err error) {
	t.Helper()
	e, ok := errors.AsType[*CloseError](err)
	if !ok || e.Code != wire.CloseBadRequest {
		t.Fatalf("Run = %v, want the fake's last refusal", err)
	}
}

// expect runs the client to the fake's last refusal and compares the events.
func (r *run) expect(t *testing.T, want ...string) {
	t.Helper()
	refused(t, r.client.Run(t.Context()))
	if diff := cmp.Diff(want, r.events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func id(n push.ID) *push.ID { return new(n) }
