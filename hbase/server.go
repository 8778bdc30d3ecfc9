package hbase

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tsuna/gohbase/hrpc"
	"google.golang.org/protobuf/proto"
)

// server is one connection to a region server. It is given up as a whole: when
// it breaks, and when the server answers nothing any more.
type server struct {
	addr string            // immutable
	conn hrpc.RegionClient // immutable

	dialled chan struct{} // closed once dialErr is set
	dialErr error

	end  sync.Once
	gone chan struct{} // closed when it was given up

	mu      sync.Mutex
	waiting int // guarded by mu: calls that wait for an answer
	// since is when the present silence began, by the router's clock: something
	// was sent, and nothing was answered after it. Zero: there is none. Guarded
	// by mu.
	since   time.Time
	probing bool // guarded by mu: a probe waits as well

	work *sync.WaitGroup // counts the goroutines of all connections
}

func newServer(addr string, dial dialer, work *sync.WaitGroup) *server {
	return &server{addr: addr, conn: dial(addr), dialled: make(chan struct{}), gone: make(chan struct{}), work: work}
}

var (
	errGone = errors.New("the connection to the region server was given up")
	// errLost is a server's end as a call sees it: it may have been carried out.
	errLost = errors.New("the connection to the region server broke")
)

// dial connects, once.
func (s *server) dial(timeout time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := s.conn.Dial(ctx); err != nil {
		s.dialErr = fmt.Errorf("region server %s takes no connection: %w", s.addr, err)
	}
	close(s.dialled)
}

// ready waits until it is connected.
func (s *server) ready(ctx context.Context) error {
	select {
	case <-s.dialled:
		return s.dialErr
	case <-s.gone:
		return errGone
	case <-ctx.Done():
		return ctx.Err()
	}
}

// send queues the call and waits for the answer.
func (s *server) send(ctx context.Context, call hrpc.Call, now func() time.Time) (proto.Message, error) {
	s.waits(now())
	s.queue(call)
	select {
	case r := <-call.ResultChan():
		s.answered(now())
		return r.Msg, r.Error
	case <-s.gone:
		return nil, errLost
	case <-ctx.Done():
		s.abandoned(ctx)
		return nil, ctx.Err()
	}
}

// queue hands the call over. What gohbase does not gather it writes at once, and
// that may block for as long as the connection lives.
func (s *server) queue(call hrpc.Call) {
	if b, ok := call.(hrpc.Batchable); ok && !b.SkipBatch() {
		s.conn.QueueRPC(call)
		return
	}
	s.work.Go(func() { s.conn.QueueRPC(call) })
}

func (s *server) waits(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting++
	if s.since.IsZero() {
		s.since = now
	}
}

// answered ends the silence, and begins another one for those that still wait.
func (s *server) answered(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting--
	if s.since = now; s.waiting == 0 {
		s.since = time.Time{}
	}
}

// abandoned leaves the silence as it is: whoever ran out of time has not heard
// anything. Whoever was called off does not know.
func (s *server) abandoned(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting--
	if s.waiting == 0 && !errors.Is(ctx.Err(), context.DeadlineExceeded) {
		s.since = time.Time{}
	}
}

// silent is for how long nothing was answered; 0: nothing is waited for.
func (s *server) silent(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.since.IsZero() {
		return 0
	}
	return now.Sub(s.since)
}

// probe asks something small, once at a time. A server that is merely slow to do
// what it was asked (as when its disks are) answers that, and so ends the
// silence; one that hangs does not.
func (s *server) probe(call hrpc.Call, now func() time.Time) {
	s.mu.Lock()
	busy := s.probing
	s.probing = true
	s.mu.Unlock()
	if busy {
		return
	}
	s.work.Go(func() {
		// An error is an answer, too.
		_, _ = s.send(call.Context(), call, now)
		s.mu.Lock()
		s.probing = false
		s.mu.Unlock()
	})
}

// close gives the connection up; what waits for it is told. It does not wait.
func (s *server) close() {
	s.end.Do(func() {
		close(s.gone)
		s.work.Go(func() {
			<-s.dialled // gohbase cannot close what is being dialled
			s.conn.Close()
		})
	})
}
