package zk

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
)

// cable is what a test connects a coordinator through, to cut it.
type cable struct {
	mu        sync.Mutex
	cut       bool
	conns     map[net.Conn]bool
	noWatches bool // events of watches are dropped on the way
	// lose is what a request holds whose answer gets lost: the connection breaks
	// as soon as it has been sent. Once.
	lose  []byte
	began int // connections
}

func (c *cable) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c.mu.Lock()
	cut := c.cut
	c.mu.Unlock()
	if cut {
		return nil, errors.New("the cable is cut")
	}
	conn, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conns == nil {
		c.conns = map[net.Conn]bool{}
	}
	c.conns[conn] = true
	c.began++
	if c.noWatches {
		return &plugged{Conn: &filtered{Conn: conn}, cable: c}, nil
	}
	return &plugged{Conn: conn, cable: c}, nil
}

// snap closes what there is; more says whether new connections are possible.
func (c *cable) snap(more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = !more
	for conn := range c.conns {
		_ = conn.Close()
		delete(c.conns, conn)
	}
}

func (c *cable) mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = false
}

func (c *cable) loseAnswerTo(request string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lose = []byte(request)
}

func (c *cable) lost() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lose == nil
}

func (c *cable) connections() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.began
}

// plugged is a connection through a cable.
type plugged struct {
	net.Conn
	cable *cable

	mu   sync.Mutex
	deaf bool
}

func (p *plugged) Write(b []byte) (int, error) {
	p.cable.mu.Lock()
	lose := p.cable.lose != nil && bytes.Contains(b, p.cable.lose)
	if lose {
		p.cable.lose = nil
	}
	p.cable.mu.Unlock()
	if lose {
		p.mu.Lock()
		p.deaf = true
		p.mu.Unlock()
	}
	return p.Conn.Write(b)
}

// Read throws the answer to a lost request away, whole, and ends.
func (p *plugged) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.deaf {
		_ = p.Close()
		return 0, errors.New("the answer is lost")
	}
	return n, err
}

// filtered is a connection whose events of watches are dropped: packets whose
// number is -1.
type filtered struct {
	net.Conn
	greeted bool
	rest    []byte
}

func (f *filtered) Read(b []byte) (int, error) {
	for len(f.rest) == 0 {
		size := make([]byte, 4)
		if _, err := io.ReadFull(f.Conn, size); err != nil {
			return 0, err
		}
		packet := make([]byte, binary.BigEndian.Uint32(size))
		if _, err := io.ReadFull(f.Conn, packet); err != nil {
			return 0, err
		}
		if event := f.greeted && binary.BigEndian.Uint32(packet) == 1<<32-1; !event {
			f.rest = append(size, packet...)
		}
		f.greeted = true
	}
	n := copy(b, f.rest)
	f.rest = f.rest[n:]
	return n, nil
}
