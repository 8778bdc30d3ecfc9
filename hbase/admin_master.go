package hbase

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/tsuna/gohbase/hrpc"
	"github.com/tsuna/gohbase/region"
	"github.com/tsuna/gohbase/zk"
	"google.golang.org/protobuf/proto"

	"gopush/internal/push"
)

const (
	masterService = region.MasterClient
	hbckService   = region.ClientType("HbckService")

	firstPause = 50 * time.Millisecond
	longPause  = 2 * time.Second
)

// master sends requests to the active master. gohbase's own client for that
// cannot be closed, and never gives up; this one finds the master anew when the
// connection breaks, for as long as the call's context allows.
type master struct {
	cfg     AdminConfig       // immutable
	service region.ClientType // immutable

	locate func(ctx context.Context) (addr string, err error) // immutable
	dial   func(addr string) hrpc.RegionClient                // immutable

	mu     sync.Mutex
	client hrpc.RegionClient // guarded by mu; nil: not connected
	closed bool              // guarded by mu
}

func newMaster(cfg AdminConfig, service region.ClientType) *master {
	m := &master{cfg: cfg, service: service}
	m.locate = m.lookUp
	m.dial = func(addr string) hrpc.RegionClient {
		return region.NewClient(addr, service, 1, 0, userOfCalls, cfg.RequestTimeout, nil)
	}
	return m
}

// SendRPC sends the call until it is answered or its context ends. A request
// that changes something carries a nonce, so that HBase takes it once.
func (m *master) SendRPC(call hrpc.Call) (proto.Message, error) {
	ctx := call.Context()
	for pause := firstPause; ; pause = min(2*pause, longPause) {
		msg, err := m.once(ctx, call)
		if err == nil || !passing(err) {
			return msg, err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, unavailable(err)
		}
	}
}

// once sends the call over the connection, or over a new one.
func (m *master) once(ctx context.Context, call hrpc.Call) (proto.Message, error) {
	client, err := m.connect(ctx)
	if err != nil {
		return nil, err
	}
	client.QueueRPC(call)
	select {
	case r := <-call.ResultChan():
		if _, broken := errors.AsType[region.ServerError](r.Error); broken {
			m.drop(client)
		}
		return r.Msg, r.Error
	case <-ctx.Done():
		// What does not answer one call will not answer the next.
		m.drop(client)
		return nil, unavailable(fmt.Errorf("the master at %s does not answer: %w", client.Addr(), context.Cause(ctx)))
	}
}

// connect returns the connection, and makes it if need be.
func (m *master) connect(ctx context.Context) (hrpc.RegionClient, error) {
	m.mu.Lock()
	client, closed := m.client, m.closed
	m.mu.Unlock()
	if closed {
		return nil, errors.New("the admin client is closed")
	}
	if client != nil {
		return client, nil
	}
	addr, err := m.locate(ctx)
	if err != nil {
		return nil, err
	}
	client = m.dial(addr)
	if err := client.Dial(ctx); err != nil {
		client.Close()
		return nil, transient{fmt.Errorf("the master at %s takes no connection", addr)}
	}
	return m.keep(client)
}

// keep makes client the connection, unless another call was faster.
func (m *master) keep(client hrpc.RegionClient) (hrpc.RegionClient, error) {
	m.mu.Lock()
	other, closed := m.client, m.closed
	if other == nil && !closed {
		m.client = client
	}
	m.mu.Unlock()
	switch {
	case closed:
		client.Close()
		return nil, errors.New("the admin client is closed")
	case other != nil:
		client.Close()
		return other, nil
	default:
		return client, nil
	}
}

func (m *master) drop(client hrpc.RegionClient) {
	m.mu.Lock()
	if m.client == client {
		m.client = nil
	}
	m.mu.Unlock()
	client.Close()
}

func (m *master) close() {
	m.mu.Lock()
	client := m.client
	m.client, m.closed = nil, true
	m.mu.Unlock()
	if client != nil {
		client.Close()
	}
}

// lookUp asks ZooKeeper who the active master is. gohbase's look-up knows no
// deadline, and while ZooKeeper is away it would wait in the background; so
// ZooKeeper must answer a ping before.
func (m *master) lookUp(ctx context.Context) (string, error) {
	if err := anyZooKeeper(ctx, m.cfg.ZooKeeper); err != nil {
		return "", transient{err}
	}
	type found struct {
		addr string
		err  error
	}
	result := make(chan found, 1)
	go func() { // it ends with the look-up; nobody needs to wait for what it finds late
		addr, err := zk.NewClient(quorum(m.cfg.ZooKeeper), keeperSession).LocateResource(zk.Master.Prepend(m.cfg.Root))
		result <- found{addr, err}
	}()
	select {
	case f := <-result:
		if f.err != nil {
			return "", transient{fmt.Errorf("ZooKeeper names no master of HBase below %s; is HBase running, and is this its znode? %w", m.cfg.Root, f.err)}
		}
		return f.addr, nil
	case <-ctx.Done():
		return "", unavailable(fmt.Errorf("ZooKeeper does not say who HBase's master is: %w", context.Cause(ctx)))
	}
}

// transient is an error that may pass.
type transient struct{ error }

func (t transient) Unwrap() error { return t.error }

// passing reports whether sending the same again may help.
func passing(err error) bool {
	if _, ok := errors.AsType[transient](err); ok {
		return true
	}
	if _, ok := errors.AsType[region.ServerError](err); ok {
		return true
	}
	if _, ok := errors.AsType[region.RetryableError](err); ok {
		return true
	}
	// A master that has just started, or a standby.
	return strings.Contains(err.Error(), "PleaseHoldException") || strings.Contains(err.Error(), "MasterNotRunningException")
}

// unavailable is what is left of an error when there is no more time.
func unavailable(err error) error {
	if push.Is(err, push.KindStoreUnavailable) {
		return err
	}
	return push.E(push.KindStoreUnavailable, "HBase cannot be reached: %s", err)
}

func quorum(addrs []string) string { return strings.Join(addrs, ",") }
