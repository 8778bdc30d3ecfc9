package quota

import (
	"net/netip"
	"sync"
)

// Source is whom a limit per address is about: an IPv4 address, or the network of 64 bits
// that an IPv6 address is in, as one host has all of that to choose from. The zero value is
// a peer without an IP address, such as the end of a pipe; it is never limited.
type Source struct{ addr netip.Addr }

// SourceOf reads a remote address, host:port with a numeric host.
func SourceOf(hostport string) Source {
	ap, err := netip.ParseAddrPort(hostport)
	if err != nil {
		return Source{}
	}
	addr := ap.Addr().Unmap().WithZone("")
	if addr.Is6() {
		network, _ := addr.Prefix(64) // of an address of 128 bits
		addr = network.Addr()
	}
	return Source{addr}
}

// Counts counts what sources have open. The zero value is ready. It holds nothing of a
// source that has nothing open.
type Counts struct {
	mu   sync.Mutex
	open map[Source]int // guarded by mu
}

// Enter counts one in, and returns how many the source has open with it.
func (c *Counts) Enter(s Source) int {
	if s == (Source{}) {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open = make(map[Source]int)
	}
	c.open[s]++
	return c.open[s]
}

// Leave counts one out that has entered.
func (c *Counts) Leave(s Source) {
	if s == (Source{}) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open[s] > 1 {
		c.open[s]--
		return
	}
	delete(c.open, s)
}

// Sources is how many have anything open.
func (c *Counts) Sources() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}
