package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// hardship is what a child process has to bear.
type hardship struct {
	// Cut are the addresses that are cut off from it, and it from them.
	Cut []string
	// Skew is by how much its wall clock is wrong.
	Skew time.Duration
}

// order is one line of what a child reads: what it has to bear from now on, all of it, or
// what is to happen to it once.
type order struct {
	Number      int
	Hardship    *hardship `json:",omitempty"`
	LoseSession bool      `json:",omitempty"`
}

// report is the line with which a child says that an order is carried out, or why not.
type report struct {
	Number int
	Error  string
}

// control is the parent's end of the channel to a child.
type control struct {
	to   io.Writer     // immutable; its lines fit into a pipe that nobody reads
	gone chan struct{} // immutable; closed when the child answers nothing any more

	sending sync.Mutex // held from the making of an order until it is sent

	mu      sync.Mutex
	last    int                   // guarded by mu
	waiting map[int]chan<- report // guarded by mu; by number
}

func newControl(to io.Writer) *control {
	return &control{to: to, gone: make(chan struct{}), waiting: make(map[int]chan<- report)}
}

// hear reads reports until there are none any more.
func (c *control) hear(from *json.Decoder) {
	defer close(c.gone)
	for {
		var r report
		if from.Decode(&r) != nil {
			return
		}
		c.mu.Lock()
		if answered, ok := c.waiting[r.Number]; ok {
			answered <- r
			delete(c.waiting, r.Number)
		}
		c.mu.Unlock()
	}
}

// errStill: the order is sent, and will be carried out when the process goes on.
var errStill = errors.New("the process stands still")

// unable reports whether an order was not carried out because the process stands still
// or is gone.
func unable(err error) bool {
	return errors.Is(err, errStill) || errors.Is(err, errNotRunning) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, os.ErrClosed) || errors.Is(err, syscall.EPIPE)
}

// do sends an order and waits until it is carried out; if the process is gone, or stands
// still, it does not wait. next makes the order; none can come between.
func (c *control) do(ctx context.Context, still func() bool, next func() order) error {
	answer, err := c.send(next)
	if err != nil {
		return err
	}
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case r := <-answer:
			if r.Error != "" {
				return errors.New(r.Error)
			}
			return nil
		case <-c.gone:
			return io.ErrClosedPipe
		case <-ctx.Done():
			return fmt.Errorf("an order was not carried out: %w", ctx.Err())
		case <-look.C:
			if still() {
				return errStill
			}
		}
	}
}

// send writes an order, of which the answer comes through a channel.
func (c *control) send(next func() order) (<-chan report, error) {
	c.sending.Lock()
	defer c.sending.Unlock()
	o := next()
	answer := make(chan report, 1)
	c.mu.Lock()
	c.last++
	o.Number = c.last
	c.waiting[o.Number] = answer
	c.mu.Unlock()
	b, err := json.Marshal(o)
	if err == nil {
		_, err = c.to.Write(append(b, '\n'))
	}
	return answer, err
}

// controlled is the child's end: what it has to bear, and who puts that into force.
type controlled struct {
	skew    atomic.Int64
	network *network      // immutable
	begun   chan struct{} // closed with the first order
	begin   func()        // closes it, once
}

func newControlled(first hardship, zooKeepers []string) *controlled {
	c := &controlled{network: newNetwork(zooKeepers...), begun: make(chan struct{})}
	c.begin = sync.OnceFunc(func() { close(c.begun) })
	c.bear(first)
	return c
}

// await waits for the first order: until then others may not know what is cut.
func (c *controlled) await(ctx context.Context) {
	select {
	case <-c.begun:
	case <-ctx.Done():
	}
}

// now is the wall clock of the process.
func (c *controlled) now() time.Time { return time.Now().Add(time.Duration(c.skew.Load())) }

func (c *controlled) bear(h hardship) {
	c.skew.Store(int64(h.Skew))
	c.network.set(h.Cut)
}

// obey carries out orders until there are none any more: one after the other, but for the
// loss of a session, which may take long and keeps no other order waiting.
func (c *controlled) obey(from io.Reader, to io.Writer) {
	orders, reports := json.NewDecoder(from), json.NewEncoder(to)
	var speaks sync.Mutex // one line at a time
	ctx, cancel := context.WithCancel(context.Background())
	carryOut := func(o order) {
		r := report{Number: o.Number}
		if err := c.carryOut(ctx, o); err != nil {
			r.Error = err.Error()
		}
		speaks.Lock()
		defer speaks.Unlock()
		_ = reports.Encode(r) // a parent that is gone needs none
	}
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()
	for {
		var o order
		if orders.Decode(&o) != nil {
			return
		}
		if o.LoseSession {
			work.Go(func() { carryOut(o) })
			continue
		}
		carryOut(o)
		c.begin()
	}
}

func (c *controlled) carryOut(ctx context.Context, o order) error {
	if o.Hardship != nil {
		c.bear(*o.Hardship)
	}
	if !o.LoseSession {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, sessionTime)
	defer cancel()
	return c.network.loseSessions(ctx)
}
