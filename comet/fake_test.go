package comet

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gopush/internal/coord"
	"gopush/internal/push"
	"gopush/internal/ring"
	"gopush/internal/rpc"
)

// memory is a small message node: rows in maps, and hooks that hold or break
// single calls.
type memory struct {
	mu      sync.Mutex
	rows    map[push.Key][]push.Message
	deleted map[push.Key]push.ID
	saves   []push.Write
	reads   int
	// onSave, when set, runs before a write is stored, in its own goroutine. It
	// says whether to store, and what to answer.
	onSave func(w push.Write) (store bool, err error)
	onRead func(key push.Key, span push.Span) error
	// takes is how long a write is on its way; one whose time ends before has an unknown
	// outcome.
	takes time.Duration
	// onAnswer, when set, may change what a write is answered.
	onAnswer func(*push.Written)
	// onFence, when set, answers the end of earlier epochs.
	onFence func(ctx context.Context, fence rpc.Fence) error
}

func (m *memory) Fence(ctx context.Context, fence rpc.Fence) error {
	m.mu.Lock()
	hook := m.onFence
	m.mu.Unlock()
	if hook == nil {
		return nil
	}
	return hook(ctx, fence)
}

func newMemory() *memory {
	return &memory{rows: map[push.Key][]push.Message{}, deleted: map[push.Key]push.ID{}}
}

func (m *memory) Save(ctx context.Context, w push.Write, done func(push.Written, error)) {
	go func() {
		m.mu.Lock()
		hook, change, takes := m.onSave, m.onAnswer, m.takes
		m.mu.Unlock()
		if takes > 0 {
			select {
			case <-time.After(takes):
			case <-ctx.Done():
				done(push.Written{}, push.Wrap(push.KindOutcomeUnknown, ctx.Err(), "cut off"))
				return
			}
		}
		store, err := true, error(nil)
		if hook != nil {
			store, err = hook(w)
		}
		var written push.Written
		if store {
			written = m.store(w)
		}
		if change != nil {
			change(&written)
		}
		done(written, err)
	}()
}

func (m *memory) store(w push.Write) push.Written {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.saves = append(m.saves, w)
	prev := w.Prev
	if prev == push.PrevUnknown {
		prev = m.newest(w.Key, w.Messages[0].ID)
	}
	out := push.Written{Prev: prev}
	for _, msg := range w.Messages {
		msg.Prev, prev = prev, msg.ID
		rows := slices.DeleteFunc(m.rows[w.Key], func(r push.Message) bool { return r.ID == msg.ID })
		m.rows[w.Key] = append(rows, msg)
		out.Outcomes = append(out.Outcomes, push.Outcome{Status: push.Stored, ID: msg.ID})
	}
	return out
}

// newest is the highest id below bound. Guarded by mu.
func (m *memory) newest(key push.Key, bound push.ID) push.ID {
	id := m.deleted[key]
	for _, r := range m.rows[key] {
		if r.ID < bound {
			id = max(id, r.ID)
		}
	}
	return id
}

func (m *memory) Read(_ context.Context, key push.Key, span push.Span) (push.Page, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reads++
	if m.onRead != nil {
		if err := m.onRead(key, span); err != nil {
			return push.Page{}, err
		}
	}
	page := push.Page{Next: span.After}
	if gone := m.deleted[key]; gone > span.After && span.After > 0 {
		page.Gaps = append(page.Gaps, push.Gap{After: span.After, Until: gone, Reason: push.GapDeleted})
		page.Next = gone
	}
	for _, r := range m.rows[key] {
		if r.ID <= max(span.After, m.deleted[key]) || (span.Until > 0 && r.ID > span.Until) {
			continue
		}
		if len(page.Messages) == span.Limit {
			page.More = true
			break
		}
		page.Messages = append(page.Messages, r)
		page.Next = r.ID
	}
	return page, nil
}

func (m *memory) Newest(_ context.Context, key push.Key) (push.ID, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.newest(key, push.MaxID), nil
}

func (m *memory) Recall(_ context.Context, key push.Key, id push.ID, _ rpc.Fence) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, r := range m.rows[key] {
		if r.ID == id {
			m.rows[key][i].Recalled, m.rows[key][i].Body = true, nil
			return nil
		}
	}
	return push.E(push.KindNotFound, "no such message")
}

func (m *memory) Delete(_ context.Context, key push.Key, upTo push.ID, _ rpc.Fence) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.deleted[key] = max(m.deleted[key], upTo)
	return nil
}

func (m *memory) count(f func(*memory) int) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return f(m)
}

// cluster is a coordinator with one group, whose lease a test can take away.
type cluster struct {
	valid     atomic.Bool
	ceiling   atomic.Int64
	floor     atomic.Int64
	raises    atomic.Int64
	lease     atomic.Int64 // 0: for ever
	done      chan struct{}
	asked     chan struct{}
	confirmed chan int64    // has room for what a test makes it confirm
	resigned  chan struct{} // likewise

	mu      sync.Mutex
	view    *coord.View   // guarded by mu
	changed chan struct{} // guarded by mu
}

func newCluster(t *testing.T, groups ...string) *cluster {
	t.Helper()
	c := &cluster{
		changed: make(chan struct{}), done: make(chan struct{}), asked: make(chan struct{}),
		confirmed: make(chan int64, 16), resigned: make(chan struct{}, 16),
	}
	c.floor.Store(int64(push.IDAt(time.Unix(1_700_000_000, 0))))
	c.valid.Store(true)
	c.ceiling.Store(int64(push.IDAt(time.Now())))
	c.view = &coord.View{Version: 1, RingVersion: 1, Ring: ringOf(t, groups...), Groups: make(map[string]coord.Group)}
	for i, g := range groups {
		c.view.Groups[g] = coord.Group{Member: coord.Member{Group: g, RPC: fmt.Sprint(i)}, Serving: true, Epoch: 1}
	}
	return c
}

func ringOf(t *testing.T, groups ...string) *ring.Ring {
	t.Helper()
	nodes := make([]ring.Node, 0, len(groups))
	for _, g := range groups {
		nodes = append(nodes, ring.Node{Name: g, Weight: 1})
	}
	r, err := ring.New(nodes)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// show replaces the view by a changed copy.
func (c *cluster) show(change func(*coord.View)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := *c.view
	next.Version++
	change(&next)
	c.view = &next
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *cluster) View() *coord.View {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.view
}

func (c *cluster) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed
}

// Campaign gives a term once; when it is over there is no other.
func (c *cluster) Campaign(ctx context.Context, _ coord.Member) (coord.Term, error) {
	select {
	case <-c.done:
		<-ctx.Done()
		return nil, ctx.Err()
	default:
		return c, nil
	}
}
func (c *cluster) Epoch() int64         { return 1 }
func (c *cluster) Lease() time.Duration { return time.Duration(c.lease.Load()) }
func (c *cluster) Floor() push.ID       { return push.ID(c.floor.Load()) }
func (c *cluster) Ceiling() push.ID     { return push.ID(c.ceiling.Load()) }
func (c *cluster) Raise(_ context.Context, to push.ID) error {
	c.raises.Add(1)
	c.ceiling.Store(max(c.ceiling.Load(), int64(to)))
	return nil
}
func (c *cluster) Valid() bool            { return c.valid.Load() }
func (c *cluster) Left() time.Duration    { return coord.ForEver }
func (c *cluster) Done() <-chan struct{}  { return c.done }
func (c *cluster) Asked() <-chan struct{} { return c.asked }

func (c *cluster) Confirm(_ context.Context, version int64) error {
	c.confirmed <- version
	return nil
}

func (c *cluster) Resign(context.Context) error {
	c.resigned <- struct{}{}
	return nil
}

// testNode is a node without listeners that serves at once.
func testNode(t *testing.T, change func(*Config)) (*Node, *memory, *cluster) {
	t.Helper()
	store, cl := newMemory(), newCluster(t, "node1")
	cfg := Config{Member: coord.Member{Group: "node1"}}
	if change != nil {
		change(&cfg)
	}
	var n *Node
	n, err := New(cfg, Deps{
		Membership: cl, Directory: cl, Messages: store, Now: time.Now,
		Peer: func(string) Peer { return n },
		Log:  slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	n.serving.Store(newService(cl, time.Now, n.cfg.IDLease))
	n.public.start(0)
	t.Cleanup(func() {
		n.drain()
		n.stop()
	})
	return n, store, cl
}

// result is what a push was answered.
type result struct {
	push.Receipt
	err error
}

// pushAsync pushes and returns where the answer will come.
func pushAsync(t *testing.T, n *Node, key push.Key, body string, change ...func(*push.Push)) <-chan result {
	t.Helper()
	p := push.Push{Key: key, Body: []byte(body), ExpiresAt: time.Now().Add(time.Hour).UnixMilli()}
	for _, c := range change {
		c(&p)
	}
	answer := make(chan result, 1)
	n.Push(t.Context(), p, func(r push.Receipt, err error) { answer <- result{r, err} })
	return answer
}

// mustPush pushes and waits for success.
func mustPush(t *testing.T, n *Node, key push.Key, body string, change ...func(*push.Push)) push.ID {
	t.Helper()
	r := <-pushAsync(t, n, key, body, change...)
	if r.err != nil {
		t.Fatalf("push of %s: %v", body, r.err)
	}
	return r.ID
}

func transient(p *push.Push) { p.Transient = true }
