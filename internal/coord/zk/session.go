package zk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-zookeeper/zk"

	"gopush/internal/coord"
)

// errExpired is why a session has ended that ZooKeeper has given up.
var errExpired = errors.New("ZooKeeper has given the session up")

// session is one session with ZooKeeper, and the library's connection for it.
// When it ends, the connection is closed and never used again.
type session struct {
	c    *Coordinator // immutable
	conn *zk.Conn     // immutable once run has made it

	life context.Context // ends with the session
	end  context.CancelCauseFunc
	has  chan struct{} // there is a session
	got  func()        // closes has, once

	granted   atomic.Int64 // the timeout, in nanoseconds
	connected atomic.Bool
	tries     int // since there was a connection; owned by the library's loop

	reader *reader
	work   sync.WaitGroup // what was started for the session
}

func newSession(c *Coordinator) *session {
	s := &session{c: c, has: make(chan struct{})}
	s.got = sync.OnceFunc(func() { close(s.has) })
	s.life, s.end = context.WithCancelCause(c.life)
	s.reader = newReader(s)
	return s
}

// run lasts as long as the session. It returns when everything that was started
// for it has ended.
func (s *session) run() error {
	defer s.end(nil)
	// The order of the servers is the library's to shuffle.
	conn, events, err := zk.Connect(s.c.cfg.Servers, s.c.cfg.Session,
		zk.WithDialer(s.dial), zk.WithHostProvider(&hosts{over: s.life.Done()}), zk.WithEventCallback(s.event),
		zk.WithLogger(libraryLog{s.c.log}), zk.WithLogInfo(false), zk.WithMaxBufferSize(maxPacket))
	if err != nil {
		return err
	}
	s.conn = conn
	select {
	case <-s.has:
		err = s.serve()
	case <-s.life.Done():
	}
	if s.life.Err() != nil {
		err = nil // it has served
	}
	s.end(err)
	s.c.detach(s, context.Cause(s.life))
	conn.Close() // at most a few seconds, as long as ZooKeeper does not answer
	for range events {
	} // the library's loop has ended
	s.work.Wait()
	return err
}

// maxPacket bounds an answer; ZooKeeper's own bound is 1 MiB.
const maxPacket = 4 << 20

// serve uses the session until it ends.
func (s *session) serve() error {
	if err := s.prepare(); err != nil {
		return err
	}
	s.c.log.Info("session with ZooKeeper", slog.String("server", s.conn.Server()), slog.Duration("timeout", time.Duration(s.granted.Load())))
	s.c.attach(s, time.Duration(s.granted.Load()))
	s.work.Go(s.reader.run)
	<-s.life.Done()
	if cause := context.Cause(s.life); s.c.life.Err() == nil {
		s.c.log.Warn("session with ZooKeeper lost", slog.Any("error", cause))
	}
	return nil
}

// prepare logs in and makes what has to be there, however often the connection
// breaks meanwhile.
func (s *session) prepare() error {
	return s.waitFor(func() error {
		err := s.tryPrepare()
		for lost(err) && s.life.Err() == nil {
			pause(s.life, 50*time.Millisecond)
			err = s.tryPrepare()
		}
		return err
	})
}

func (s *session) tryPrepare() error {
	if s.c.cfg.User != "" {
		if err := s.conn.AddAuth("digest", []byte(s.c.cfg.User+":"+s.c.cfg.Password)); err != nil {
			return fmt.Errorf("log in to ZooKeeper: %w", err)
		}
	}
	for _, path := range s.c.paths.folders() {
		if err := s.make(path, nil); err != nil {
			return err
		}
	}
	return s.make(s.c.paths.ring(), encodeRing(coord.Ring{}))
}

// make creates a lasting node, unless it is there.
func (s *session) make(path string, data []byte) error {
	there, _, err := s.conn.Exists(path)
	if err == nil && !there {
		_, err = s.conn.Create(path, data, 0, s.c.cfg.acl())
	}
	if err != nil && !errors.Is(err, zk.ErrNodeExists) {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// waitFor runs f, whose calls may block as long as there is no connection. The
// end of the session ends those, and the wait even before.
func (s *session) waitFor(f func() error) error {
	done := make(chan error, 1)
	s.work.Go(func() { done <- f() })
	select {
	case err := <-done:
		return err
	case <-s.life.Done():
		return context.Cause(s.life)
	}
}

// event is called by the library, and must not block.
func (s *session) event(ev zk.Event) {
	switch {
	case ev.Type == zk.EventSession && ev.State == zk.StateHasSession:
		s.tries = 0
		s.connected.Store(true)
		s.got()
		s.reader.reconnected()
	case ev.Type == zk.EventSession && ev.State == zk.StateDisconnected:
		s.connected.Store(false)
	case ev.Type == zk.EventSession && ev.State == zk.StateExpired:
		s.end(errExpired)
	case ev.Type == zk.EventSession && ev.State == zk.StateAuthFailed:
		s.end(errors.New("ZooKeeper does not accept the user and password"))
	case ev.Path != "":
		s.reader.fired(ev.Path)
	}
}

// dial connects to a server, not too often. After the session's end it does not
// connect any more: the library would begin a session of its own.
func (s *session) dial(network, addr string, timeout time.Duration) (net.Conn, error) {
	if s.tries > 0 {
		most := min(50*time.Millisecond<<min(s.tries, 4), 500*time.Millisecond)
		pause(s.life, most/2+rand.N(most/2))
	}
	s.tries++
	if err := context.Cause(s.life); err != nil {
		return nil, err
	}
	limit := s.c.cfg.Session * 2 / 3
	ctx, cancel := context.WithTimeout(s.life, min(timeout, limit))
	defer cancel()
	conn, err := s.c.cfg.Dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &link{Conn: conn, limit: limit, granted: s.grant, now: time.Now}, nil
}

// grant notes the session timeout that a server has granted. Should another
// server grant another one, a fresh session is the simple answer.
func (s *session) grant(timeout time.Duration) {
	if timeout <= 0 { // the session has expired
		return
	}
	if old := s.granted.Swap(int64(timeout)); old != 0 && old != int64(timeout) {
		s.end(fmt.Errorf("the session timeout has changed from %s to %s", time.Duration(old), timeout))
	}
}

// libraryLog takes what the library has to say.
type libraryLog struct{ log *slog.Logger }

// Printf is for debugging: what matters of it is logged by those whom it
// concerns.
func (l libraryLog) Printf(format string, args ...any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.log.Debug("ZooKeeper's library", slog.String("says", fmt.Sprintf(format, args...)))
	}
}
