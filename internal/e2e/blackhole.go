package e2e

import (
	"context"
	"maps"
	"net"
	"slices"
	"sync"
)

// network is what a process under test opens its connections through. Addresses can be
// cut off: everything to and from them vanishes until they are mended, as in a network
// that drops packets. Nothing is refused, reset or closed.
type network struct {
	zooKeepers []string       // immutable; the addresses of ZooKeeper's servers
	flushes    sync.WaitGroup // goroutines of connections

	mu      sync.Mutex
	cut     map[string]bool        // guarded by mu; addresses, host:port
	changed chan struct{}          // guarded by mu; closed and replaced when cut changes
	conns   map[*holeConn]struct{} // guarded by mu; but for some that are over
}

func newNetwork(zooKeepers ...string) *network {
	return &network{zooKeepers: zooKeepers, changed: make(chan struct{}), conns: make(map[*holeConn]struct{})}
}

// Dial opens a connection. To an address that is cut off it takes until that is mended,
// or ctx ends: a handshake gets no answer there, not even a refusal.
func (n *network) Dial(ctx context.Context, to, addr string) (net.Conn, error) {
	if err := n.passable(ctx, addr); err != nil {
		return nil, err
	}
	inner, err := new(net.Dialer).DialContext(ctx, to, addr)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	c := newHoleConn(inner, addr, n.flushes.Go)
	if slices.Contains(n.zooKeepers, addr) {
		c.greeting = new(greeting)
	}
	c.setCut(n.cut[addr]) // it may have been cut off meanwhile
	maps.DeleteFunc(n.conns, func(old *holeConn, _ struct{}) bool { return old.over() })
	n.conns[c] = struct{}{}
	return c, nil
}

// passable waits until the address is not cut off.
func (n *network) passable(ctx context.Context, addr string) error {
	for {
		n.mu.Lock()
		cut, changed := n.cut[addr], n.changed
		n.mu.Unlock()
		if !cut {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// set cuts exactly these addresses off, and returns when that is in force for every
// connection that there is.
func (n *network) set(addrs []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.cut = make(map[string]bool, len(addrs))
	for _, addr := range addrs {
		n.cut[addr] = true
	}
	close(n.changed)
	n.changed = make(chan struct{})
	for c := range n.conns {
		c.setCut(n.cut[c.addr])
	}
}

// Close drops every connection and waits for what they have started.
func (n *network) Close() {
	n.mu.Lock()
	for c := range n.conns {
		c.drop()
	}
	n.mu.Unlock()
	n.flushes.Wait()
}
