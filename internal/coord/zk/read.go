package zk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"

	"gopush/internal/coord"
)

// piece is something to read.
type piece struct {
	kind pieceKind
	name string
}

type pieceKind int8

const (
	pieceNone     pieceKind = iota
	pieceComets             // all of the line; with a name: this one has changed
	pieceRing               //
	pieceTerms              // which groups there are
	pieceTerm               // one group's
	pieceMessages           //
)

// reader reads everything for one session, one thing after the other, so that
// what it tells is in the order in which it was read. It is told of changes by
// watches, and does not rely on them: everything is read anew every few
// seconds.
type reader struct {
	s    *session
	kick chan struct{} // there is something to do

	mu      sync.Mutex
	dirty   map[piece]bool  // guarded by mu
	armed   map[string]bool // guarded by mu; paths with a watch. The library keeps
	refresh bool            // guarded by mu; another for each call, so one must do.

	// owned by run
	line     map[string]coord.Candidate // by name
	messages map[string]string          // address by id
	ignored  map[string]bool            // paths whose record was complained of
}

func newReader(s *session) *reader {
	return &reader{
		s: s, kick: make(chan struct{}, 1),
		dirty: make(map[piece]bool), armed: make(map[string]bool),
		line: make(map[string]coord.Candidate), messages: make(map[string]string), ignored: make(map[string]bool),
	}
}

func (r *reader) wake() {
	select {
	case r.kick <- struct{}{}:
	default:
	}
}

// ask has everything read.
func (r *reader) ask() {
	r.mu.Lock()
	r.refresh = true
	r.mu.Unlock()
	r.wake()
}

// fired is called when a watch says that something has changed at path.
func (r *reader) fired(path string) {
	r.mu.Lock()
	delete(r.armed, path)
	if p := r.s.c.paths.piece(path); p.kind != pieceNone {
		r.dirty[p] = true
	}
	r.mu.Unlock()
	r.wake()
}

// reconnected is called with every new connection: watches may have been lost
// with the old one.
func (r *reader) reconnected() {
	r.mu.Lock()
	clear(r.armed)
	r.mu.Unlock()
	r.resync()
}

// resync has all that is watched read again.
func (r *reader) resync() {
	r.mu.Lock()
	for _, kind := range []pieceKind{pieceComets, pieceRing, pieceTerms, pieceMessages} {
		r.dirty[piece{kind: kind}] = true
	}
	r.mu.Unlock()
	r.wake()
}

// run reads what is to be read until the session ends.
func (r *reader) run() {
	next := time.NewTimer(resyncEvery())
	defer next.Stop()
	for {
		select {
		case <-r.s.life.Done():
			return
		case <-next.C:
			clear(r.line) // what one has read of a node may have changed as well
			next.Reset(resyncEvery())
			r.resync()
		case <-r.kick:
			r.work()
		}
	}
}

// resyncEvery spreads the load of many processes.
func resyncEvery() time.Duration { return 5*time.Second + rand.N(5*time.Second) }

// work reads until nothing is left to read.
func (r *reader) work() {
	for r.s.life.Err() == nil {
		all, some := r.next()
		var err error
		switch {
		case all:
			err = r.everything()
			r.answer(err)
		case len(some) > 0:
			err = r.pieces(some)
		default:
			return
		}
		r.settle(err, some)
	}
}

// settle notes whether reading works. What could not be read is read again, a
// little later.
func (r *reader) settle(err error, again []piece) {
	if err == nil {
		r.s.c.fail(r.s, nil)
		return
	}
	if r.s.life.Err() != nil {
		return
	}
	if errors.Is(err, zk.ErrNoNode) {
		r.s.end(fmt.Errorf("what was kept in ZooKeeper is gone: %w", err)) // the next session begins it anew
		return
	}
	r.mu.Lock()
	for _, p := range again {
		r.dirty[p] = true
	}
	r.mu.Unlock()
	r.s.c.fail(r.s, fmt.Errorf("read from ZooKeeper: %w", err))
	if !lost(err) {
		r.s.c.log.Error("could not read from ZooKeeper", slog.Any("error", err))
		pause(r.s.life, time.Second)
		return
	}
	pause(r.s.life, 50*time.Millisecond)
}

// answer ends a Refresh.
func (r *reader) answer(err error) {
	outcome := coord.Done
	if err != nil {
		outcome = coord.Unknown
	}
	r.s.c.report(r.s, coord.Answered{Action: coord.Refresh{}, Outcome: outcome})
}

// next takes what is to be read: everything, or some pieces.
func (r *reader) next() (all bool, some []piece) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refresh {
		r.refresh = false
		clear(r.dirty)
		return true, nil
	}
	for p := range r.dirty {
		some = append(some, p)
	}
	clear(r.dirty)
	return false, some
}

// everything reads all there is, no older than now.
func (r *reader) everything() error {
	clear(r.line)
	if _, err := r.s.conn.Sync(string(r.s.c.paths)); err != nil {
		return err
	}
	return errors.Join(r.pieces([]piece{{kind: pieceComets}, {kind: pieceRing}}), r.terms(true), r.readMessages())
}

func (r *reader) pieces(some []piece) error {
	var errs []error
	for _, p := range some {
		switch p.kind {
		case pieceComets:
			delete(r.line, p.name)
			errs = append(errs, r.comets())
		case pieceRing:
			errs = append(errs, r.ring())
		case pieceTerms:
			errs = append(errs, r.terms(false))
		case pieceTerm:
			errs = append(errs, r.term(p.name))
		case pieceMessages:
			errs = append(errs, r.readMessages())
		default:
		}
	}
	return errors.Join(errs...)
}

// comets reads the line. A candidate's record is read once, as only an operator
// changes it; that of an own one is watched for this.
func (r *reader) comets() error {
	names, err := r.children(r.s.c.paths.comets())
	if err != nil {
		return err
	}
	line := make(map[string]coord.Candidate, len(names))
	seen := make([]coord.Candidate, 0, len(names))
	for _, name := range names {
		cand, known := r.line[name]
		if !known {
			if cand, known, err = r.comet(name); err != nil {
				return err
			}
		}
		if known {
			line[name] = cand
			seen = append(seen, cand)
		}
	}
	r.line = line
	r.s.c.report(r.s, coord.SawCandidates{All: seen})
	return nil
}

// comet reads one candidate; false if it has gone, or cannot be understood.
func (r *reader) comet(name string) (coord.Candidate, bool, error) {
	path := r.s.c.paths.comet(name)
	data, stat, err := r.s.conn.Get(path)
	own := err == nil && stat.EphemeralOwner == r.s.conn.SessionID()
	if own {
		data, _, err = r.data(path, true)
	}
	if errors.Is(err, zk.ErrNoNode) {
		return coord.Candidate{}, false, nil
	}
	if err != nil {
		return coord.Candidate{}, false, err
	}
	cand, err := decodeCandidate(name, data)
	cand.Own = own
	return cand, r.understood(path, err), nil
}

// understood reports whether a record could be decoded; it complains once.
func (r *reader) understood(path string, err error) bool {
	if err != nil && !r.ignored[path] {
		r.ignored[path] = true
		r.s.c.log.Error("a record in ZooKeeper is ignored", slog.String("path", path), slog.Any("error", err))
	}
	return err == nil
}

// ring must be understood: without it nobody knows who owns what.
func (r *reader) ring() error {
	path := r.s.c.paths.ring()
	data, stat, err := r.data(path, true)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	ring, err := decodeRing(data)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	r.s.c.report(r.s, coord.SawRing{Ring: ring, Stamp: int64(stat.Version)})
	return nil
}

// terms reads the newest term of each group, and how far its ids may go if that
// is asked for.
func (r *reader) terms(ceilings bool) error {
	groups, err := r.children(r.s.c.paths.terms())
	if err != nil {
		return err
	}
	for _, g := range groups {
		if err := r.term(g); err != nil {
			return err
		}
		if !ceilings {
			continue
		}
		if err := r.ceiling(g); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) term(group string) error {
	path := r.s.c.paths.term(group)
	data, stat, err := r.data(path, true)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if t, err := decodeTenure(data); r.understood(path, err) {
		r.s.c.report(r.s, coord.SawTenure{Group: group, Tenure: t, Stamp: int64(stat.Version)})
	}
	return nil
}

// ceiling must be understood: nobody may begin below one that he cannot read.
func (r *reader) ceiling(group string) error {
	path := r.s.c.paths.ceiling(group)
	data, stat, err := r.s.conn.Get(path)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	ceiling, err := decodeCeiling(data)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	r.s.c.report(r.s, coord.SawCeiling{Group: group, Ceiling: ceiling, Stamp: int64(stat.Version)})
	return nil
}

// readMessages reads the message nodes; a node's record never changes.
func (r *reader) readMessages() error {
	ids, err := r.children(r.s.c.paths.messages())
	if err != nil {
		return err
	}
	all := make(map[string]string, len(ids))
	for _, id := range ids {
		addr, known := r.messages[id]
		if !known {
			path := r.s.c.paths.message(id)
			data, _, err := r.s.conn.Get(path)
			if errors.Is(err, zk.ErrNoNode) {
				continue
			}
			if err != nil {
				return err
			}
			if addr, err = decodeMessage(data); !r.understood(path, err) {
				continue
			}
		}
		all[id] = addr
	}
	r.messages = all
	r.s.c.report(r.s, coord.SawMessages{All: maps.Clone(all)})
	return nil
}

// data reads a node, and watches it if it is not watched yet.
func (r *reader) data(path string, watch bool) ([]byte, *zk.Stat, error) {
	if !watch || !r.arm(path) {
		return r.s.conn.Get(path)
	}
	data, stat, _, err := r.s.conn.GetW(path)
	r.disarm(path, err)
	return data, stat, err
}

// children lists a node's children, and watches them if they are not watched
// yet.
func (r *reader) children(path string) ([]string, error) {
	if !r.arm(path) {
		names, _, err := r.s.conn.Children(path)
		return names, err
	}
	names, _, _, err := r.s.conn.ChildrenW(path)
	r.disarm(path, err)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return names, nil
}

// arm reports whether a watch has to be set. It is noted before the call: the
// watch may fire before the call returns.
func (r *reader) arm(path string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.armed[path] {
		return false
	}
	r.armed[path] = true
	return true
}

// disarm takes the note back if the call failed.
func (r *reader) disarm(path string, err error) {
	if err == nil {
		return
	}
	r.mu.Lock()
	delete(r.armed, path)
	r.mu.Unlock()
}

// lost reports whether an error is the connection's or the session's end, which
// others see to.
func lost(err error) bool {
	for _, known := range []error{zk.ErrConnectionClosed, zk.ErrClosing, zk.ErrNoServer, zk.ErrSessionExpired, zk.ErrSessionMoved, context.Canceled} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}
