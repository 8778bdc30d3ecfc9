package web

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"

	"gopush/internal/push"
	"gopush/internal/ring"
)

// Moving says which keys are still with gopush-cluster 1.0, while they are moved from there
// group by group. The zero Moving: none, and nobody is asked there.
type Moving struct {
	// Ring are the comet nodes of the old system with their weights, NAME=WEIGHT: which of
	// them has a key is all that the other fields go by.
	Ring []string
	// Old are those of them whose keys are with the old system: clients are sent to its
	// comets, and pushes of protocol v1 to its web node.
	Old []string
	// Held are those of them whose keys nobody may change now: pushes, recalls and deletions
	// are refused, and may be tried again.
	Held []string
	// Public and Admin are the base URLs of the old web node's two APIs. Required with a Ring.
	Public, Admin string
}

// Validate reports every field that cannot be.
func (m *Moving) Validate() error {
	_, err := newMoving(*m)
	return err
}

// moving is a Moving in use, and the changes of keys that began under it.
type moving struct {
	ring          *ring.Ring // nil: nothing is moved
	old, held     []string   // names of nodes
	public, admin *url.URL

	flight atomic.Int64 // changes that have not ended
}

func newMoving(cfg Moving) (*moving, error) {
	m := &moving{old: cfg.Old, held: cfg.Held}
	if len(cfg.Ring) == 0 {
		if len(cfg.Old)+len(cfg.Held) > 0 {
			return nil, errors.New("groups are moved, but the ring that they are of is missing; name the comet nodes of the old system with their weights")
		}
		return m, nil
	}
	var errs []error
	var err error
	if m.ring, err = ring.Parse(cfg.Ring); err != nil {
		errs = append(errs, err)
	}
	for _, name := range slices.Concat(cfg.Old, cfg.Held) {
		if m.ring != nil && !m.ring.Has(name) {
			errs = append(errs, fmt.Errorf("there is no group %q on the ring of the old system", name))
		}
	}
	if m.public, err = baseURL(cfg.Public); err != nil {
		errs = append(errs, err)
	}
	if m.admin, err = baseURL(cfg.Admin); err != nil {
		errs = append(errs, err)
	}
	return m, errors.Join(errs...)
}

// baseURL allows where the old web node is.
func baseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("%q is not where a web node of the old system is; write http://host:port", s)
	}
	u.Path = ""
	return u, nil
}

// group is the old system's node that has the key; "": it is not moved.
func (m *moving) group(key push.Key) string {
	if m.ring == nil || key.Public() {
		return ""
	}
	return m.ring.Owner(string(key))
}

// isOld reports whether the key is with the old system.
func (m *moving) isOld(key push.Key) bool {
	return len(m.old) > 0 && slices.Contains(m.old, m.group(key))
}

// SetMoving takes over which keys are where; m must be valid. Changes of keys that have
// begun go on as they began: see GET /v2/moving.
func (s *Server) SetMoving(m Moving) {
	next, err := newMoving(m)
	if err != nil { // it is valid
		return
	}
	s.movingMu.Lock()
	defer s.movingMu.Unlock()
	s.earlier = slices.DeleteFunc(append(s.earlier, s.moving.Load()), func(m *moving) bool { return m.flight.Load() == 0 })
	s.moving.Store(next)
	s.metrics.moves(len(next.old), len(next.held))
}

// unsettled counts the changes that began under earlier settings and have not ended.
func (s *Server) unsettled() (n int64) {
	s.movingMu.Lock()
	defer s.movingMu.Unlock()
	for _, m := range s.earlier {
		n += m.flight.Load()
	}
	return n
}

// startChange begins a change of a key: under which settings, and what has to be called when
// it has ended. The error says that it may not begin.
func (s *Server) startChange(key push.Key) (m *moving, end func(), err error) {
	for {
		m = s.moving.Load()
		m.flight.Add(1)
		// Whoever sets others counts after that: so either this one is counted, or it sees them.
		if m == s.moving.Load() {
			break
		}
		m.flight.Add(-1)
	}
	if len(m.held) > 0 && slices.Contains(m.held, m.group(key)) {
		m.flight.Add(-1)
		return nil, nil, errHeld
	}
	return m, func() { m.flight.Add(-1) }, nil
}

// startHere is startChange for what the old system cannot do.
func (s *Server) startHere(key push.Key) (end func(), err error) {
	m, end, err := s.startChange(key)
	if err == nil && m.isOld(key) {
		end()
		return nil, errOld()
	}
	return end, err
}

// servedHere refuses questions about a key that only the old system can answer.
func (s *Server) servedHere(key push.Key) error {
	if s.moving.Load().isOld(key) {
		return errOld()
	}
	return nil
}

var errHeld = push.E(push.KindMoving, "the key is being moved from one system to another; nothing was stored or changed, try again in a moment")

func errOld() error {
	return push.E(push.KindConflict, "the key is still served by the old system, which knows protocol v1 alone; use that, or wait until its group has been moved")
}
