package rpc

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/peer"

	"gopush/internal/trace"
)

const (
	// maxMessage bounds one gRPC message, both ways. It is above the default, as
	// frames and pages gather much, and set explicitly on both sides.
	maxMessage = 8 << 20
	// maxItem bounds one item of a stream; the rest of maxMessage is for framing.
	maxItem = 7 << 20
	// flowWindow is how much a stream may carry unread. It must hold more than
	// one frame, or sender and receiver take turns.
	flowWindow = 4 << 20
)

// ClientConfig is what all clients of other roles share. The zero value works.
type ClientConfig struct {
	// TLS gives what secures a connection that is about to be opened, so that one that is
	// opened later has a newer certificate; nil: plain text.
	TLS func() *tls.Config
	// Dial opens a connection to host:port; nil: TCP.
	Dial func(ctx context.Context, addr string) (net.Conn, error)
	// CallTimeout is the deadline of a unary call whose context has none; 0: 5 s.
	CallTimeout time.Duration
	// ConnectTimeout bounds the opening of a connection or stream; 0: 3 s.
	ConnectTimeout time.Duration
	// Window bounds what one stream carries.
	Window WindowConfig
	// Traces gets a span for each call of a trace that is recorded; nil: none.
	Traces trace.Provider
}

// WindowConfig bounds a pipelined stream.
type WindowConfig struct {
	// Items and Bytes bound the calls of one stream that have no answer yet; a
	// call over them is refused at once with KindBusy. 0: 8192 and 32 MiB.
	Items, Bytes int
	// FrameItems and FrameBytes bound one frame; an item that is larger than
	// FrameBytes is sent alone. 0: 256 and 1 MiB.
	FrameItems, FrameBytes int

	openTimeout time.Duration
}

// Validate reports the first field that makes no sense.
func (c *ClientConfig) Validate() error {
	switch {
	case c.CallTimeout < 0:
		return fmt.Errorf("call timeout %v: must not be negative", c.CallTimeout)
	case c.ConnectTimeout < 0:
		return fmt.Errorf("connect timeout %v: must not be negative", c.ConnectTimeout)
	case min(c.Window.Items, c.Window.Bytes, c.Window.FrameItems, c.Window.FrameBytes) < 0:
		return errors.New("window: no bound may be negative")
	case c.Window.FrameBytes > maxItem:
		return fmt.Errorf("frame bytes %d: at most %d", c.Window.FrameBytes, maxItem)
	}
	return nil
}

// filled is c with its defaults in place.
func (c *ClientConfig) filled() ClientConfig {
	out := *c
	out.CallTimeout = cmp.Or(c.CallTimeout, 5*time.Second)
	out.ConnectTimeout = cmp.Or(c.ConnectTimeout, 3*time.Second)
	out.Window = WindowConfig{
		Items:       cmp.Or(c.Window.Items, 8192),
		Bytes:       cmp.Or(c.Window.Bytes, 32<<20),
		FrameItems:  cmp.Or(c.Window.FrameItems, 256),
		FrameBytes:  cmp.Or(c.Window.FrameBytes, 1<<20),
		openTimeout: out.ConnectTimeout,
	}
	return out
}

// connect makes the connection to addr, which is opened in the background and
// again whenever it is needed.
func (c *ClientConfig) connect(addr string) (*grpc.ClientConn, error) {
	opts := []grpc.DialOption{
		grpc.WithTransportCredentials(clientCreds(c.TLS)),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)),
		grpc.WithInitialWindowSize(flowWindow),
		grpc.WithInitialConnWindowSize(2 * flowWindow),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: backoffFirst, Multiplier: 2, Jitter: 0.2, MaxDelay: backoffMost},
			MinConnectTimeout: c.ConnectTimeout,
		}),
		// 10 s is the shortest that gRPC takes. The timeout is also the kernel's
		// for data that the peer's machine does not confirm.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 2 * time.Second}),
		grpc.WithDisableServiceConfig(),
		grpc.WithDisableRetry(),
	}
	if c.Dial != nil {
		opts = append(opts, grpc.WithContextDialer(c.Dial))
	}
	if t := tracerOf(c.Traces); t != nil {
		opts = append(opts, grpc.WithChainUnaryInterceptor(callTraced(t, addr)))
	}
	conn, err := grpc.NewClient("passthrough:///"+addr, opts...)
	if err != nil {
		return nil, fmt.Errorf("client of %s: %w", addr, err)
	}
	conn.Connect()
	return conn, nil
}

// remote is one peer: its connection, and how calls to it are made.
type remote struct {
	addr    string
	conn    *grpc.ClientConn
	timeout time.Duration
}

// unary makes one call, with a deadline, and classes its error by v.
func unary[A any](ctx context.Context, r *remote, v verb, call func(context.Context, ...grpc.CallOption) (A, error)) (A, error) {
	ctx, cancel := bounded(ctx, r.timeout)
	defer cancel()
	// gRPC fills in the peer only if it found a connection for the call.
	var to peer.Peer
	a, err := call(ctx, grpc.Peer(&to))
	if err != nil {
		return a, v.failure(err, r.addr, to.Addr != nil)
	}
	return a, nil
}

// bounded gives ctx a deadline if it has none.
func bounded(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, timeout)
}
