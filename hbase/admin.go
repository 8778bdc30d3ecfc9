package hbase

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/tsuna/gohbase/hrpc"
	"google.golang.org/protobuf/proto"
)

// AdminConfig says where HBase is. Zero values mean the default that each field
// names.
type AdminConfig struct {
	// ZooKeeper are the addresses of HBase's ZooKeeper, host:port. Required.
	ZooKeeper []string
	// Root is the znode that HBase keeps its own below; default /hbase.
	Root string
	// RequestTimeout bounds each request, its retries included; default 15 s.
	RequestTimeout time.Duration
}

func (c *AdminConfig) validate() error {
	if c.Root == "" {
		c.Root = "/hbase"
	}
	if c.RequestTimeout == 0 {
		c.RequestTimeout = 15 * time.Second
	}
	switch {
	case len(c.ZooKeeper) == 0:
		return errors.New("hbase: AdminConfig.ZooKeeper is empty; give the addresses of HBase's ZooKeeper")
	case c.RequestTimeout < 0:
		return errors.New("hbase: AdminConfig.RequestTimeout must not be negative")
	}
	return nil
}

// rpcSender sends a request and returns its answer. The clients of gohbase are
// rpcSenders, too.
type rpcSender interface {
	SendRPC(call hrpc.Call) (proto.Message, error)
}

// Admin asks HBase's master, and reads and writes the reserved rows of a table.
// It is made for a command that does something and ends.
// Its methods may be called concurrently.
type Admin struct {
	cfg    AdminConfig // immutable
	master rpcSender   // immutable
	hbck   rpcSender   // immutable; the master's service for repairs
	rows   rows        // immutable
	close  func()      // immutable
}

// NewAdmin connects to nothing yet. The caller must Close.
func NewAdmin(cfg AdminConfig) (*Admin, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	client, err := newRouters(cfg)
	if err != nil {
		return nil, err
	}
	m, h := newMaster(cfg, masterService), newMaster(cfg, hbckService)
	return &Admin{cfg: cfg, master: m, hbck: h, rows: client, close: func() {
		m.close()
		h.close()
		client.close()
	}}, nil
}

// Close ends the connections. What HBase has begun, it finishes without us.
func (a *Admin) Close() { a.close() }

// bounded gives a request its deadline.
func (a *Admin) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, a.cfg.RequestTimeout)
}

// ask sends one request to the master and waits for its answer.
func (a *Admin) ask(ctx context.Context, name string, request, response proto.Message) (proto.Message, error) {
	return a.askOf(ctx, a.master, name, request, response)
}

func (a *Admin) askOf(ctx context.Context, to rpcSender, name string, request, response proto.Message) (proto.Message, error) {
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	msg, err := to.SendRPC(newMasterCall(ctx, name, request, response))
	if err != nil {
		return nil, fmt.Errorf("hbase: %s: %w", name, remote(err))
	}
	return msg, nil
}

// nonce makes a request that is sent twice one request to HBase.
func nonce() *uint64 {
	n := rand.Uint64() | 1 // 0 means none
	return &n
}
