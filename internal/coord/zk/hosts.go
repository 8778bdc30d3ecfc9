package zk

import (
	"sync"

	"github.com/go-zookeeper/zk"
)

// hosts says which server to try next. It does not look names up, as the
// library's own does once and for all: a name that cannot be resolved yet is no
// reason to give up, and one may move.
type hosts struct {
	over <-chan struct{} // the session has ended

	mu      sync.Mutex
	servers []string // guarded by mu
	at      int      // guarded by mu
}

var _ zk.HostProvider = (*hosts)(nil)

// Init takes the servers, in the order in which they are to be tried.
func (h *hosts) Init(servers []string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.servers = servers
	return nil
}

// Len is the number of servers.
func (h *hosts) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.servers)
}

// Next is the next server. The library pauses for a second when it is told that
// the list begins anew, which is too long: the dialer paces the tries instead.
// But only in that pause does the library notice that it has been closed.
func (h *hosts) Next() (server string, again bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	server = h.servers[h.at]
	h.at = (h.at + 1) % len(h.servers)
	select {
	case <-h.over:
		return server, true
	default:
		return server, false
	}
}

// Connected has nothing to note.
func (h *hosts) Connected() {}
