package web

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"gopush/internal/coord"
	"gopush/internal/push"
	"gopush/internal/ring"
)

// cluster is a small real cluster in memory: groups with a primary each, ids
// that strictly increase per key, idempotency keys, recalls and deletions. It
// is a coord.Directory and a Messages.
type cluster struct {
	mu      sync.Mutex
	view    *coord.View
	changed chan struct{}
	streams map[push.Key]*history
	clock   push.ID // the last id that was given
	times   int     // how often a comet was asked for its time

	// refuse may fail a push before anything happens to it.
	refuse func(addr string, p push.Push) error
	// lose may fail a push after it was stored.
	lose func(p push.Push) error
	// takes is how long refuse needs; a push whose time ends before has an unknown outcome.
	takes time.Duration
	// held collects callbacks instead of making them, when hold is set.
	hold bool
	held []func()
	// timeOf may answer for a comet's clock.
	timeOf func(addr string) (push.ID, error)
	// readErr may fail the n-th read (from 1).
	readErr func(n int) error
	reads   int
	// stopped makes the comets answer nothing until the context ends.
	stopped bool
	ignored int // how many pushes they got then
	// statuses are what nodes say of themselves, by address; others say nothing.
	statuses map[string]push.NodeStatus
	// top are the busiest keys, by address; others say nothing.
	top   map[string][]push.BusyKey
	floor push.ID // of every term
}

type history struct {
	messages []push.Message
	known    map[string]push.Message // by idempotency key
	deleted  push.ID
	gaps     []push.Gap
}

// newCluster serves all keys with the groups that are named.
func newCluster(t testing.TB, groups ...string) *cluster {
	t.Helper()
	c := &cluster{changed: make(chan struct{}), streams: make(map[push.Key]*history), clock: 17953750178989520}
	c.setView(t, groups...)
	return c
}

func (c *cluster) setView(t testing.TB, groups ...string) {
	t.Helper()
	var nodes []ring.Node
	v := &coord.View{Groups: map[string]coord.Group{}, Messages: []string{"127.0.0.1:8070"}}
	for _, name := range groups {
		nodes = append(nodes, ring.Node{Name: name, Weight: 1})
		v.Groups[name] = coord.Group{
			Member: coord.Member{Group: name, Weight: 1, RPC: name + ":6970", Public: coord.Public{WS: name + ":6968", TCP: name + ":6969"}},
			Epoch:  3, Floor: 160, Serving: true,
		}
		v.Nodes = append(v.Nodes, coord.Node{ID: name + ".1", Member: v.Groups[name].Member, Role: coord.Primary})
	}
	var err error
	if v.Ring, err = ring.New(nodes); err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.view = v
	close(c.changed)
	c.changed = make(chan struct{})
}

// standby adds an alternate to a group.
func (c *cluster) standby(name string) {
	c.edit(name, func(*coord.Group) {})
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.view.Groups[name].Member
	m.RPC = name + "b:6970"
	c.view.Nodes = append(slices.Clone(c.view.Nodes), coord.Node{ID: name + ".2", Member: m})
}

// Drain is coord.Admin's; it only notes who was asked.
func (c *cluster) Drain(_ context.Context, node string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := *c.view
	v.Nodes = slices.Clone(v.Nodes)
	for i := range v.Nodes {
		if v.Nodes[i].ID == node {
			v.Nodes[i].Asked = true
			c.view = &v
			return nil
		}
	}
	return push.E(push.KindNotFound, "no node %s", node)
}

// RemoveGroup is coord.Admin's.
func (c *cluster) RemoveGroup(_ context.Context, group string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := coord.Removable(c.view, group); err != nil {
		return err
	}
	v := *c.view
	v.Groups = maps.Clone(v.Groups)
	delete(v.Groups, group)
	c.view = &v
	return nil
}

// edit changes one group of the view. One that is not served has no node.
func (c *cluster) edit(name string, change func(*coord.Group)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := *c.view
	v.Groups = make(map[string]coord.Group)
	for n, g := range c.view.Groups {
		if n == name {
			change(&g)
		}
		v.Groups[n] = g
	}
	v.Nodes = slices.DeleteFunc(slices.Clone(v.Nodes), func(n coord.Node) bool { return !v.Groups[n.Group].Serving })
	c.view = &v
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

func (c *cluster) comet(addr string) Comet { return &node{cluster: c, addr: addr} }

func (c *cluster) stream(key push.Key) *history {
	if c.streams[key] == nil {
		c.streams[key] = &history{known: make(map[string]push.Message)}
	}
	return c.streams[key]
}

// stored returns a copy of what a key holds.
func (c *cluster) stored(key push.Key) []push.Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.stream(key).messages)
}

// bodies returns what a key holds as strings.
func (c *cluster) bodies(key push.Key) []string {
	var all []string
	for _, m := range c.stored(key) {
		all = append(all, string(m.Body))
	}
	return all
}

// put stores messages directly.
func (c *cluster) put(key push.Key, bodies ...string) []push.ID {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ids []push.ID
	for _, b := range bodies {
		ids = append(ids, c.store(push.Push{Key: key, Body: []byte(b), ExpiresAt: 4102444800000}))
	}
	return ids
}

func (c *cluster) store(p push.Push) push.ID {
	st := c.stream(p.Key)
	c.clock += push.Step
	m := push.Message{ID: c.clock, ExpiresAt: p.ExpiresAt, Body: p.Body, IdempotencyKey: p.IdempotencyKey, Transient: p.Transient}
	if n := len(st.messages); n > 0 {
		m.Prev = st.messages[n-1].ID
	}
	if p.Transient {
		return m.ID
	}
	st.messages = append(st.messages, m)
	if p.IdempotencyKey != "" {
		st.known[p.IdempotencyKey] = m
	}
	return m.ID
}

// release makes the callbacks that were held.
func (c *cluster) release() {
	c.mu.Lock()
	held := c.held
	c.held = nil
	c.mu.Unlock()
	for _, f := range held {
		f()
	}
}

func (c *cluster) Read(_ context.Context, key push.Key, span push.Span) (push.Page, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reads++
	if c.readErr != nil {
		if err := c.readErr(c.reads); err != nil {
			return push.Page{}, err
		}
	}
	st := c.stream(key)
	page := push.Page{Next: span.After}
	low, size := max(span.After, st.deleted), 0
	for _, m := range st.messages {
		if m.ID <= low || (span.Until > 0 && m.ID > span.Until) {
			continue
		}
		if len(page.Messages) == span.Limit || (span.Bytes > 0 && size >= span.Bytes) {
			page.More = true
			break
		}
		page.Messages = append(page.Messages, m)
		size += len(m.Body)
		page.Next = m.ID
	}
	for _, g := range st.gaps {
		if g.Until > span.After && (!page.More || g.Until <= page.Next) {
			page.Gaps = append(page.Gaps, push.Gap{After: max(g.After, span.After), Until: g.Until, Reason: g.Reason})
			page.Next = max(page.Next, g.Until)
		}
	}
	return page, nil
}

func (c *cluster) Newest(_ context.Context, key push.Key) (push.ID, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if st := c.stream(key); len(st.messages) > 0 {
		return st.messages[len(st.messages)-1].ID, nil
	}
	return 0, nil
}

// node is one comet of the cluster.
type node struct {
	*cluster
	addr string
}

func (n *node) Push(ctx context.Context, p push.Push, done func(push.Receipt, error)) {
	if n.takes > 0 {
		go func() {
			select {
			case <-time.After(n.takes):
				done(push.Receipt{}, n.refuse(n.addr, p))
			case <-ctx.Done():
				done(push.Receipt{}, push.Wrap(push.KindOutcomeUnknown, ctx.Err(), "cut off"))
			}
		}()
		return
	}
	n.mu.Lock()
	if n.stopped {
		n.ignored++
		n.mu.Unlock()
		context.AfterFunc(ctx, func() { done(push.Receipt{}, ctx.Err()) })
		return
	}
	receipt, err := n.accept(p)
	if n.hold {
		n.held = append(n.held, func() { done(receipt, err) })
		n.mu.Unlock()
		return
	}
	n.mu.Unlock()
	done(receipt, err)
}

func (n *node) accept(p push.Push) (push.Receipt, error) {
	if g, ok := n.view.Owner(p.Key); !ok || g.RPC != n.addr {
		return push.Receipt{}, push.E(push.KindWrongNode, "the key is not here")
	}
	if n.refuse != nil {
		if err := n.refuse(n.addr, p); err != nil {
			return push.Receipt{}, err
		}
	}
	if old, ok := n.stream(p.Key).known[p.IdempotencyKey]; ok && p.IdempotencyKey != "" {
		if !bytes.Equal(old.Body, p.Body) {
			return push.Receipt{}, push.E(push.KindConflict, "the idempotency key was used with other data")
		}
		return push.Receipt{ID: old.ID, Duplicate: true}, nil
	}
	id := n.store(p)
	if n.lose != nil {
		if err := n.lose(p); err != nil {
			return push.Receipt{}, err
		}
	}
	return push.Receipt{ID: id}, nil
}

func (n *node) Recall(_ context.Context, key push.Key, id push.ID) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	st := n.stream(key)
	for i := range st.messages {
		if m := &st.messages[i]; m.ID == id && m.ID > st.deleted {
			m.Recalled, m.Body = true, nil
			return nil
		}
	}
	return push.E(push.KindNotFound, "the key has no such message")
}

func (n *node) Delete(_ context.Context, key push.Key) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.refuse != nil {
		if err := n.refuse(n.addr, push.Push{Key: key}); err != nil {
			return err
		}
	}
	if st := n.stream(key); len(st.messages) > 0 {
		st.deleted = st.messages[len(st.messages)-1].ID
	}
	return nil
}

// Describe tells of the two connections that each key has at each node, one at the
// newest message and one that has none.
func (n *node) Describe(ctx context.Context, key push.Key, about push.ID) (push.KeyInfo, error) {
	newest, err := n.Newest(context.Background(), key)
	n.mu.Lock()
	hangs := n.stopped
	n.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return push.KeyInfo{}, push.Wrap(push.KindNoNode, ctx.Err(), "it hangs")
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	info := push.KeyInfo{Connections: 2, Newest: newest, Behind: 1, Cursors: []push.ID{0, newest}}
	for name, g := range n.view.Groups {
		if g.RPC == n.addr {
			info.Group, info.Epoch, info.Floor = name, g.Epoch, n.floor
		}
	}
	info.Standing.Before = 1
	switch {
	case newest < about:
		info.Standing.Before++
	case newest == about:
		info.Standing.At++
	default:
		info.Standing.Past++
	}
	return info, err
}

// Top is what the test has set for the address; others hang.
func (n *node) Top(ctx context.Context, limit int) ([]push.BusyKey, error) {
	n.mu.Lock()
	keys, ok := n.top[n.addr]
	n.mu.Unlock()
	if !ok {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return keys[:min(limit, len(keys))], nil
}

// Status is that of each address; nobody answers but who is in the map.
func (c *cluster) Status(ctx context.Context, addr string) (push.NodeStatus, error) {
	c.mu.Lock()
	is, ok := c.statuses[addr]
	c.mu.Unlock()
	if !ok || ctx.Err() != nil {
		<-ctx.Done()
		return is, push.Wrap(push.KindNoNode, ctx.Err(), "%s does not answer", addr)
	}
	return is, nil
}

func (n *node) Status(ctx context.Context) (push.NodeStatus, error) {
	return n.cluster.Status(ctx, n.addr)
}

func (n *node) Time(context.Context) (push.ID, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.times++
	if n.timeOf != nil {
		return n.timeOf(n.addr)
	}
	return n.clock, nil
}

// testNow is what the servers of these tests take for the time.
var testNow = time.UnixMilli(1795375017898)

// gone is an edit that leaves a group without a primary.
func gone(g *coord.Group) { g.Serving = false }
