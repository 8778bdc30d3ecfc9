package rpc

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"gopush/internal/push"
	"gopush/internal/trace"
)

// ServerConfig shapes a server for other roles. The zero value works.
type ServerConfig struct {
	// TLS secures the connections; nil: plain text.
	TLS *tls.Config
	// MaxConnections bounds the open connections; more are closed at once.
	// 0: 4096.
	MaxConnections int
	// MaxStreams bounds the calls in progress of one connection; more wait at
	// their client. 0: 1024.
	MaxStreams int
	// HandshakeTimeout bounds the beginning of a connection. 0: 5 s.
	HandshakeTimeout time.Duration
	// Traces gets a span for each unary call of a trace that is recorded; nil: none.
	Traces trace.Provider
}

// Validate reports the first field that makes no sense.
func (c *ServerConfig) Validate() error {
	switch {
	case c.MaxConnections < 0:
		return fmt.Errorf("max connections %d: must not be negative", c.MaxConnections)
	case c.MaxStreams < 0:
		return fmt.Errorf("max streams %d: must not be negative", c.MaxStreams)
	case c.HandshakeTimeout < 0:
		return fmt.Errorf("handshake timeout %v: must not be negative", c.HandshakeTimeout)
	}
	return nil
}

// NewServer makes a server on which RegisterComet and RegisterMessage can be
// called; cfg must be valid. It turns errors and panics of handlers into
// statuses that carry their push.Kind; log may be nil. The caller serves and stops it; Stop and
// GracefulStop wait for the handlers.
func NewServer(cfg ServerConfig, log *slog.Logger) *grpc.Server {
	h := Handlers{Log: log, Traces: cfg.Traces}.filled()
	return grpc.NewServer(
		grpc.Creds(limited(serverCreds(cfg.TLS), cmp.Or(cfg.MaxConnections, 4096), h.Log)),
		grpc.MaxConcurrentStreams(uint32(cmp.Or(cfg.MaxStreams, 1024))),
		grpc.ConnectionTimeout(cmp.Or(cfg.HandshakeTimeout, 5*time.Second)),
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.MaxSendMsgSize(maxMessage),
		grpc.InitialWindowSize(flowWindow),
		grpc.InitialConnWindowSize(2*flowWindow),
		grpc.MaxHeaderListSize(64<<10),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 6 * time.Second, Timeout: 4 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.WaitForHandlers(true),
		grpc.UnaryInterceptor(h.unary),
		grpc.StreamInterceptor(h.stream),
	)
}

// unary gives errors their kind and stops panics.
func (h *Handlers) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (resp any, err error) {
	ctx, span := continued(ctx, h.tracer, info.FullMethod)
	defer func() { span.End(plain(err)) }() // after recovered, which makes an error of a panic
	defer h.recovered(info.FullMethod, func(e error) { resp, err = nil, statusOf(e) })
	resp, err = next(ctx, req)
	if err != nil {
		h.note(info.FullMethod, err)
		return nil, statusOf(err)
	}
	return resp, nil
}

// stream does the same for streams.
func (h *Handlers) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
	defer h.recovered(info.FullMethod, func(e error) { err = statusOf(e) })
	err = next(srv, ss)
	if _, ok := kinded(err); ok || err == nil {
		return err
	}
	h.note(info.FullMethod, err)
	return statusOf(err)
}

// recovered is deferred around a service's code: it logs a panic, and gives
// answer the error to answer with.
func (h *Handlers) recovered(what string, answer func(error)) {
	if r := recover(); r != nil {
		h.Log.Error("panic in a handler", slog.String("call", what), slog.Any("panic", r), slog.String("stack", string(debug.Stack())))
		answer(push.E(push.KindInternal, "internal error; the log of the node has the cause"))
	}
}

// note logs an error whose cause nobody else will see, as it does not cross.
func (h *Handlers) note(what string, err error) {
	if err == nil || push.KindOf(err) != push.KindInternal {
		return
	}
	h.Log.Error("internal error", slog.String("call", what), slog.Any("error", err))
}

// Shutdown stops s: no new calls, then what is in progress may finish until ctx
// ends, then the rest is cut off. Close Handlers.Drain before, or the streams of
// clients keep it from finishing. The error says that ctx ended first.
func Shutdown(ctx context.Context, s *grpc.Server) error {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.GracefulStop()
	}()
	select {
	case <-stopped:
		return nil
	case <-ctx.Done():
		s.Stop()
		<-stopped
		return errors.Join(errors.New("calls were cut off"), context.Cause(ctx))
	}
}
