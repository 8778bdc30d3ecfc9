package zk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"

	"gopush/internal/coord"
)

// session is one session with ZooKeeper in which this process has its places,
// and writes. What is read and watched goes through the reader's client.
type session struct {
	*client
	c      *Coordinator // immutable
	reader *reader
	work   sync.WaitGroup // what was started for the session
}

func newSession(c *Coordinator) (*session, error) {
	s := &session{c: c}
	var err error
	s.client, err = connect(c.life, &c.cfg, c.log, false, nil)
	s.reader = newReader(s)
	return s, err
}

// run lasts as long as the session. It returns when everything that was started
// for it has ended.
func (s *session) run() error {
	err := s.serve()
	if s.life.Err() != nil {
		err = nil // it has served, or never began
	}
	s.end(err)
	s.c.detach(s, context.Cause(s.life))
	s.close()
	s.work.Wait()
	return err
}

// serve uses the session until it ends.
func (s *session) serve() error {
	if err := s.prepare(); err != nil {
		return err
	}
	s.c.log.Info("session with ZooKeeper", slog.String("server", s.conn.Server()), slog.Duration("timeout", s.timeout()))
	s.c.attach(s, s.timeout())
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
	if err := s.ready(); err != nil {
		return err
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
