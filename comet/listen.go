package comet

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"gopush/comet/wire"
	"gopush/internal/push"
)

// listen accepts clients until ctx ends or a listener fails.
func (n *Node) listen(ctx context.Context, l Listeners) error {
	entrance := newDoor(l.HTTP, n)
	server := &http.Server{
		Handler:           n.polite(n.mux()),
		ReadHeaderTimeout: n.cfg.Handshake,
		ReadTimeout:       2 * n.cfg.Handshake,
		WriteTimeout:      2 * n.cfg.Handshake,
		IdleTimeout:       n.cfg.Handshake,
		MaxHeaderBytes:    16 << 10,
		ConnContext:       entrance.context,
		ConnState:         entrance.state,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // clients' faults are counted instead
	}
	var accepting sync.WaitGroup
	failed := make(chan error, 2)
	accepting.Go(func() { failed <- server.Serve(entrance) })
	accepting.Go(func() { failed <- n.acceptTCP(l.TCP) })
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	_ = l.TCP.Close()
	_ = l.HTTP.Close() // connections that were upgraded are not the server's any more
	_ = server.Close()
	accepting.Wait()
	if errors.Is(err, net.ErrClosed) || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// acceptTCP takes v1 TCP clients. Running out of descriptors costs a pause, not
// the listener.
func (n *Node) acceptTCP(l net.Listener) error {
	for {
		conn, err := l.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return err
			}
			n.met.refused("accept")
			pause(n.life, 50*time.Millisecond)
			continue
		}
		reason := n.arrive(conn)
		if reason != "" {
			n.met.refused(reason)
		}
		if reason != "" || !n.admit() {
			n.depart(conn)
			_ = conn.Close()
			continue
		}
		n.spawn(func() { n.serveTCP(conn) })
	}
}

// secured makes the TLS handshake of a TCP client, if it has to make one.
func (n *Node) secured(conn net.Conn) bool {
	c, ok := conn.(*tls.Conn)
	if !ok {
		return true
	}
	_ = c.SetDeadline(time.Now().Add(n.cfg.Handshake))
	if c.HandshakeContext(n.life) != nil {
		n.met.refused(tlsHandshake)
		return false
	}
	_ = c.SetDeadline(time.Time{})
	return true
}

// tlsHandshake is why a connection was refused that did not complete one.
const tlsHandshake = "tls handshake"

// admit counts a connection in, within the node's bound.
func (n *Node) admit() bool {
	if n.conns.Add(1) > int64(n.limits.Load().MaxConnections) {
		n.conns.Add(-1)
		n.met.refused(nodeFull)
		return false
	}
	if !n.enter() {
		n.conns.Add(-1)
		n.met.refused("draining")
		return false
	}
	return true
}

// dismiss counts a connection out that was admitted and has ended.
func (n *Node) dismiss(conn net.Conn) {
	n.depart(conn)
	n.retract()
}

// retract is the reverse of admit.
func (n *Node) retract() {
	n.conns.Add(-1)
	n.leave(1)
}

// upgrade makes a websocket of the request; serve owns it from then on, closes
// it and dismisses it. It runs in a new goroutine, so that net/http's, with its
// buffers, can go.
func (n *Node) upgrade(w http.ResponseWriter, r *http.Request, protocols []string, serve func(*socket)) {
	if r.ContentLength != 0 {
		// Its bytes would be taken for frames: the library hangs up without a word then.
		w.Header().Set("Connection", "close")
		n.noHandshake(w, r, http.StatusBadRequest, errors.New("it has a body"))
		return
	}
	if !n.admit() {
		n.sayProblem(w, push.E(push.KindBusy, "%s", turnedAway[nodeFull]))
		return
	}
	up := websocket.Upgrader{
		HandshakeTimeout: n.cfg.Handshake,
		WriteBufferSize:  256,
		WriteBufferPool:  &n.pool,
		Subprotocols:     protocols,
		CheckOrigin:      n.originAllowed,
		Error:            n.noHandshake,
	}
	h := &hijacker{ResponseWriter: w}
	conn, err := up.Upgrade(h, r, nil)
	if err != nil {
		n.met.refused("upgrade")
		if h.taken != nil {
			n.depart(h.taken)
		}
		n.retract()
		return
	}
	h.lib.quiet = true
	c := &socket{Conn: conn, in: h.in, lib: h.lib}
	n.spawn(func() { serve(c) })
}

// originAllowed accepts clients that are no browsers, and browsers from the
// configured origins.
func (n *Node) originAllowed(r *http.Request) bool {
	origin, origins := r.Header.Get("Origin"), n.limits.Load().Origins
	return origin == "" || anyOrigin(origins) || slices.Contains(origins, origin)
}

// anyOrigin reports whether browsers may come from anywhere.
func anyOrigin(origins []string) bool {
	return len(origins) == 0 || slices.Contains(origins, "*")
}

// join makes s a member of its key's channel and of the public one, unless there is a
// reason to refuse it. What comes back leaves both.
func (n *Node) join(s *subscriber, key push.Key, public bool) (leave func(), refused string) {
	n.adopt()
	l := n.limits.Load()
	if !n.keyPace.Take(key, l.HandshakesPerKey, time.Now()) {
		return nil, keyRate
	}
	ch := n.table.acquire(key)
	s.private.ch = ch
	if !ch.join(&s.private, l.MaxPerKey) {
		n.table.release(ch, 1)
		return nil, keyFull
	}
	if public {
		s.public.ch = n.public
		n.public.join(&s.public, 0)
	}
	n.met.connected(s.proto, 1)
	// Only now: whoever loses the key looks for its connections after that.
	if n.owns(key) != nil {
		s.shut(closeLost)
	}
	return func() {
		n.met.connected(s.proto, -1)
		if public {
			n.public.leave(&s.public)
		}
		ch.leave(&s.private)
		s.over()
		n.table.release(ch, 1)
	}, ""
}

// joinV1 is join for protocol v1, whose clients hear of their streams from now on.
// What "now" is has to be settled before they are told that they are subscribed, and fetch:
// a node that has just started does not know yet where the public stream stands, and a
// write that was given up may land after they have fetched, unpublished.
func (n *Node) joinV1(s *subscriber, key push.Key, grant *push.Grant) (leave func(), no *v1No) {
	leave, refused := n.join(s, key, public(grant))
	if refused != "" {
		return nil, &v1No{"", refused}
	}
	ctx, cancel := context.WithTimeout(n.life, n.cfg.AttemptTimeout)
	defer cancel()
	for _, f := range []*feed{&s.private, &s.public} {
		if f.ch == nil {
			continue
		}
		if _, err := f.settle(ctx, 0, false); err != nil {
			leave()
			return nil, v1Refused(wire.ReplyNode)
		}
	}
	s.hold(grant)
	return leave, nil
}

// v1No is why a v1 subscription is not taken: a reply, which may be empty, and what the
// metrics call it.
type v1No struct{ reply, reason string }

// v1Refused is a refusal whose reply says all.
func v1Refused(reply string) *v1No { return &v1No{reply, v1Reason(reply)} }

// v1Check decides whether a v1 subscription can be served, and what its token allows.
func (n *Node) v1Check(sub wire.Subscribe) (*push.Grant, *v1No) {
	if n.owns(sub.Key) != nil {
		return nil, v1Refused(wire.ReplyNode)
	}
	grant, err := n.authorize(sub.Key, sub.Token)
	switch e := tokenRefusal(err); {
	case err == nil:
		return grant, nil
	case e == nil: // it cannot be checked right now
		return nil, v1Refused(wire.ReplyNode)
	case e.code == wire.CloseForbidden:
		return nil, &v1No{wire.ReplyChannel, e.reason}
	default:
		return nil, &v1No{wire.ReplyAuth, e.reason}
	}
}
