package zk

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"
)

// cable is what a test connects a coordinator through, to cut it.
type cable struct {
	mu    sync.Mutex
	cut   bool
	conns map[net.Conn]bool
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
