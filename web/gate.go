package web

import "sync"

// gate counts the requests in progress, so that Run can wait for the last one.
// Once shut it lets nobody in.
type gate struct {
	mu    sync.Mutex
	n     int           // guarded by mu
	shut  bool          // guarded by mu
	empty chan struct{} // closed when shut and n is 0
}

// newGate is open.
func newGate() *gate { return &gate{empty: make(chan struct{})} }

// enter lets a request in, which must leave; it reports false once shut.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return false
	}
	g.n++
	return true
}

// leave is the end of a request that was let in.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.n--
	if g.shut && g.n == 0 {
		close(g.empty)
	}
}

// close shuts the gate and waits until everybody has left.
func (g *gate) close() {
	g.mu.Lock()
	if !g.shut {
		g.shut = true
		if g.n == 0 {
			close(g.empty)
		}
	}
	g.mu.Unlock()
	<-g.empty
}
