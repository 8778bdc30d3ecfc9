package web

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"

	"gopush/internal/push"
	"gopush/internal/quota"
)

// Why a connection ends before it is served, in the words that comets have for it, too.
// tlsHandshake and noRequest are ends of its own: it did not complete a TLS handshake, or
// made no whole request in time. The others are decided when it comes.
const (
	tlsHandshake = "tls_handshake"
	noRequest    = "no_request"
	filesShort   = "files_short"
	memoryShort  = "memory_short"
	nodeFull     = "node_full"
	addressFull  = "address_full"
)

// earlyEnds are all of them.
var earlyEnds = [...]string{tlsHandshake, noRequest, filesShort, memoryShort, nodeFull, addressFull}

// turnedAway is what a client is told for each reason that it can be told.
var turnedAway = map[string]string{
	memoryShort: "this node is short of memory; ask another one, or come back later",
	nodeFull:    "this node takes no more connections; ask another one, or come back later",
	addressFull: "this address has as many connections as one address may have; close some, or come back later",
}

// maxTold is how many connections that are turned away may take their time to ask and to
// hear so. Any more of them, those over TLS, and those that have one of the last
// descriptors are closed without a word.
const maxTold = 256

// door is where the connections of one API come in: as many as Limits allow, and none while
// memory is short or, see quota.FilesShort, descriptors are. What ends without ever having
// asked for anything is counted: net/http bounds that, and tells of it no other way.
type door struct {
	net.Listener
	limits  func() *Limits      // immutable
	pressed func() bool         // immutable; memory is short
	refused func(reason string) // immutable
	sources quota.Counts        // has its own lock

	mu     sync.Mutex
	visits map[net.Conn]*visit // guarded by mu; of open connections
	told   int                 // guarded by mu: visits that were turned away on arrival
}

// visit is an open connection.
type visit struct {
	source quota.Source // immutable
	reason string       // why it was turned away on arrival; immutable
	asked  bool         // it has made a request; owned by the connection's goroutine
}

type visitKey struct{}

// Accept waits for a connection that may ask for something, if only to hear why not.
func (d *door) Accept() (net.Conn, error) {
	for {
		conn, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if d.open(conn) {
			return conn, nil
		}
		d.sources.Leave(sourceOf(conn))
		_ = conn.Close()
	}
}

// sourceOf is whom the limits per address hold for. A proxy in front is one address.
func sourceOf(conn net.Conn) quota.Source { return quota.SourceOf(conn.RemoteAddr().String()) }

// open begins a visit, and counts the connection in for its address in any case; false:
// there is no room for it.
func (d *door) open(conn net.Conn) bool {
	source, l := sourceOf(conn), d.limits()
	of := d.sources.Enter(source)
	d.mu.Lock()
	defer d.mu.Unlock()
	reason := ""
	switch {
	case quota.FilesShort(conn):
		reason = filesShort
	case d.pressed():
		reason = memoryShort
	case l.MaxPerAddress > 0 && of > l.MaxPerAddress:
		reason = addressFull
	case len(d.visits)-d.told >= l.MaxConnections:
		reason = nodeFull
	}
	if reason != "" {
		d.refused(reason)
		if _, secure := conn.(*tls.Conn); secure || reason == filesShort || d.told >= maxTold {
			return false // a TLS handshake is what costs most
		}
		d.told++
	}
	if d.visits == nil {
		d.visits = make(map[net.Conn]*visit)
	}
	d.visits[conn] = &visit{source: source, reason: reason}
	return true
}

// context lets the requests of a connection know of their visit.
func (d *door) context(ctx context.Context, conn net.Conn) context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	return context.WithValue(ctx, visitKey{}, d.visits[conn])
}

// state ends a visit with its connection.
func (d *door) state(conn net.Conn, state http.ConnState) {
	if state != http.StateClosed {
		return
	}
	d.mu.Lock()
	v := d.visits[conn]
	delete(d.visits, conn)
	if v.reason != "" {
		d.told--
	}
	d.mu.Unlock()
	d.sources.Leave(v.source)
	switch c, secure := conn.(*tls.Conn); {
	case secure && !c.ConnectionState().HandshakeComplete:
		d.refused(tlsHandshake)
	case !v.asked && v.reason == "":
		d.refused(noRequest)
	}
}

// cameFrom is where the request of a context came from; nobody, if not by a door.
func cameFrom(ctx context.Context) quota.Source {
	if v, ok := ctx.Value(visitKey{}).(*visit); ok {
		return v.source
	}
	return quota.Source{}
}

// polite turns away who has to be, before anything else is looked at, in the terms of the
// protocol that is asked for, and notes of the others that they have asked.
func (s *Server) polite(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, ok := r.Context().Value(visitKey{}).(*visit)
		if !ok { // it did not come in by a door
			next.ServeHTTP(w, r)
			return
		}
		v.asked = true
		if v.reason == "" {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Connection", "close")
		later(w, r, push.E(push.KindBusy, "%s", turnedAway[v.reason]))
	})
}
