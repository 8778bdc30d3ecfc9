package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"

	"google.golang.org/grpc/credentials"
)

// limited bounds the open connections of a server. The handshake is the one
// place where gRPC asks about a connection before it spends anything on it.
func limited(inner credentials.TransportCredentials, most int, log *slog.Logger) credentials.TransportCredentials {
	return &limitedCreds{TransportCredentials: inner, most: int64(most), open: new(atomic.Int64), log: log}
}

type limitedCreds struct {
	credentials.TransportCredentials
	most int64
	open *atomic.Int64 // shared by clones
	log  *slog.Logger
}

// ServerHandshake refuses raw when too many connections are open.
func (c *limitedCreds) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	if n := c.open.Add(1); n > c.most {
		c.open.Add(-1)
		return nil, nil, fmt.Errorf("%d connections are open, the most allowed", c.most)
	}
	conn, info, err := c.TransportCredentials.ServerHandshake(raw)
	if err != nil {
		c.open.Add(-1)
		c.note(raw.RemoteAddr(), err)
		return nil, nil, fmt.Errorf("handshake: %w", err)
	}
	return &countedConn{Conn: conn, open: c.open}, info, nil
}

// note tells of a peer that was refused, as gRPC tells nobody. One that says nothing and
// goes is a probe of whether the port is open.
func (c *limitedCreds) note(from net.Addr, err error) {
	level := slog.LevelWarn
	if errors.Is(err, io.EOF) {
		level = slog.LevelDebug
	}
	c.log.Log(context.Background(), level, "refused a connection of another role; it needs a certificate of the authority of this node",
		slog.String("from", from.String()), slog.Any("error", err))
}

// Clone keeps the count: it is of the server, not of the copy.
func (c *limitedCreds) Clone() credentials.TransportCredentials {
	return &limitedCreds{TransportCredentials: c.TransportCredentials.Clone(), most: c.most, open: c.open, log: c.log}
}

// countedConn leaves the count when it is closed.
type countedConn struct {
	net.Conn
	once sync.Once
	open *atomic.Int64
}

// Close closes the connection.
func (c *countedConn) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}
