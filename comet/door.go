package comet

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"

	"gopush/internal/push"
	"gopush/internal/quota"
)

// Why a connection is turned away before anything is asked of it. For each of them the
// same client may come back later.
const (
	memoryShort = "memory short"
	filesShort  = "files short"
	nodeFull    = "node full"
	addressFull = "address full"
	addressRate = "address rate"
	nodeRate    = "node rate"
)

// Why one is that has asked for a key.
const (
	keyFull = "key full"
	keyRate = "key rate"
)

// sourceOf is whom the limits per address hold for. A proxy in front is one address.
func sourceOf(conn net.Conn) quota.Source {
	if addr := conn.RemoteAddr(); addr != nil {
		return quota.SourceOf(addr.String())
	}
	return quota.Source{}
}

// arrive counts a new connection in for its address; it leaves with depart. The reason
// is why it is to be turned away, or empty.
func (n *Node) arrive(conn net.Conn) (reason string) {
	source := sourceOf(conn)
	open := n.sources.Enter(source)
	switch {
	case quota.FilesShort(conn):
		return filesShort
	case n.deps.Pressed():
		return memoryShort
	}
	if most := n.limits.Load().MaxPerAddress; most > 0 && open > most {
		return addressFull
	}
	return n.pace(source)
}

// depart counts a connection out for its address.
func (n *Node) depart(conn net.Conn) { n.sources.Leave(sourceOf(conn)) }

// pace takes a handshake from what its address and the node have. The address comes
// first, so that one that asks too often takes nothing from the others.
func (n *Node) pace(source quota.Source) (reason string) {
	l, now := n.limits.Load(), time.Now()
	switch {
	case !n.addressPace.Take(source, l.HandshakesPerAddress, now):
		return addressRate
	case !n.nodePace.Take(l.HandshakesPerSecond, now):
		return nodeRate
	}
	return ""
}

// again is what arrive is to a connection that makes another request.
func (n *Node) again(source quota.Source) (reason string) {
	if n.deps.Pressed() {
		return memoryShort
	}
	return n.pace(source)
}

// maxTold is how many connections that are turned away may take their time to ask and to
// hear so. Any more of them, those over TLS, and those that have one of the last
// descriptors are closed without a word.
const maxTold = 256

// door is where HTTP connections come in. It knows those that have not become a stream.
type door struct {
	net.Listener
	n *Node // immutable

	mu     sync.Mutex
	visits map[net.Conn]*visit // guarded by mu
	told   int                 // guarded by mu: visits that were turned away on arrival
}

// visit is an HTTP connection that has not become a stream.
type visit struct {
	reason string // why it was turned away on arrival; immutable
	asked  bool   // it has made a request; owned by the connection's goroutine
}

type visitKey struct{}

func newDoor(l net.Listener, n *Node) *door {
	return &door{Listener: l, n: n, visits: make(map[net.Conn]*visit)}
}

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
		d.n.depart(conn)
		_ = conn.Close()
	}
}

// open begins a visit; false: there is no room for it.
func (d *door) open(conn net.Conn) bool {
	reason := d.n.arrive(conn)
	d.mu.Lock()
	defer d.mu.Unlock()
	if reason == "" && len(d.visits) >= d.n.limits.Load().MaxConnections {
		reason = nodeFull
	}
	if reason != "" {
		d.n.met.refused(reason)
		if _, secure := conn.(*tls.Conn); secure || reason == filesShort || d.told >= maxTold {
			return false // a TLS handshake is what costs most
		}
		d.told++
	}
	d.visits[conn] = &visit{reason: reason}
	return true
}

// context lets the requests of a connection know of their visit.
func (d *door) context(ctx context.Context, conn net.Conn) context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	return context.WithValue(ctx, visitKey{}, d.visits[conn])
}

// state ends a visit with its connection, or when a stream takes the connection over,
// which departs by itself. What ends before its TLS handshake is over, or before it has made
// a whole request, is counted here: net/http bounds it, and tells of its end no other way.
func (d *door) state(conn net.Conn, state http.ConnState) {
	if state != http.StateClosed && state != http.StateHijacked {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	v := d.visits[conn]
	unasked := v != nil && !v.asked && v.reason == ""
	if v != nil && v.reason != "" {
		d.told--
	}
	delete(d.visits, conn)
	if state == http.StateHijacked {
		return
	}
	d.n.depart(conn)
	switch c, secure := conn.(*tls.Conn); {
	case secure && !c.ConnectionState().HandshakeComplete:
		d.n.met.refused(tlsHandshake)
	case unasked:
		d.n.met.refused("handshake")
	}
}

// polite turns away who has to be, before anything else is looked at. The first request
// of a connection is the handshake that was counted on its arrival; more of them count
// themselves.
func (n *Node) polite(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reason := ""
		if v, ok := r.Context().Value(visitKey{}).(*visit); ok && v != nil {
			reason = v.reason
			if v.asked {
				if reason = n.again(quota.SourceOf(r.RemoteAddr)); reason != "" {
					n.met.refused(reason)
				}
			}
			v.asked = true
		}
		if reason != "" {
			w.Header().Set("Connection", "close")
			n.sayProblem(w, push.E(push.KindBusy, "%s", turnedAway[reason]))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// turnedAway is what a client is told for each reason.
var turnedAway = map[string]string{
	memoryShort: "this node is short of memory; look the node up again, or come back later",
	nodeFull:    "this node takes no more connections; look the node up again",
	addressFull: "this address has as many connections as one address may have; close some, or come back later",
	addressRate: "this address connects too often; come back later, and wait longer each time",
	nodeRate:    "too many connect to this node right now; come back later, and wait longer each time",
}
