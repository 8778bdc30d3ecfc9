package web

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"gopush/internal/quota"
)

// Why a connection was closed before it could ask: it has one of the last descriptors, see
// quota.FilesShort; or it did not make a whole request in time, or a TLS handshake.
const (
	filesShort = "files_short"
	handshake  = "handshake"
)

// door is where the connections of one API come in. It closes at once what has one of the
// last descriptors of the process: there is none to answer with, and the store needs them.
// What ends without ever having asked for anything is counted: net/http bounds that, and
// tells of it no other way.
type door struct {
	net.Listener
	refused func(reason string) // immutable

	mu     sync.Mutex
	asking map[net.Conn]*atomic.Bool // guarded by mu; of open connections: they have asked
}

type visitKey struct{}

func newDoor(l net.Listener, refused func(reason string)) *door {
	return &door{Listener: l, refused: refused, asking: make(map[net.Conn]*atomic.Bool)}
}

// Accept waits for a connection that may ask for something.
func (d *door) Accept() (net.Conn, error) {
	for {
		conn, err := d.Listener.Accept()
		if err != nil || !quota.FilesShort(conn) {
			return conn, err
		}
		d.refused(filesShort)
		_ = conn.Close()
	}
}

// context begins a visit, so that its requests know of it.
func (d *door) context(ctx context.Context, conn net.Conn) context.Context {
	asked := new(atomic.Bool)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asking[conn] = asked
	return context.WithValue(ctx, visitKey{}, asked)
}

// state ends a visit with its connection.
func (d *door) state(conn net.Conn, state http.ConnState) {
	if state != http.StateClosed && state != http.StateHijacked {
		return
	}
	d.mu.Lock()
	asked := d.asking[conn]
	delete(d.asking, conn)
	d.mu.Unlock()
	if asked != nil && !asked.Load() {
		d.refused(handshake)
	}
}

// visiting notes that the connection of each request has made one.
func visiting(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked, ok := r.Context().Value(visitKey{}).(*atomic.Bool); ok {
			asked.Store(true)
		}
		next.ServeHTTP(w, r)
	})
}
