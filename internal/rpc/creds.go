package rpc

import (
	"context"
	"crypto/tls"
	"net"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// serverCreds are of a listener; its settings may give each handshake others.
func serverCreds(c *tls.Config) credentials.TransportCredentials {
	if c == nil {
		return insecure.NewCredentials()
	}
	return credentials.NewTLS(c)
}

// clientCreds are of a client; nil: plain text.
func clientCreds(settings func() *tls.Config) credentials.TransportCredentials {
	if settings == nil {
		return insecure.NewCredentials()
	}
	return &freshCreds{credentials.NewTLS(settings()), settings}
}

// freshCreds ask for their settings at each handshake: gRPC keeps credentials for as long
// as a client lives, which is longer than certificates may.
type freshCreds struct {
	credentials.TransportCredentials // from the first settings; only says what is spoken
	settings                         func() *tls.Config
}

// ClientHandshake looks at the peer by the settings of this moment.
func (c *freshCreds) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return credentials.NewTLS(c.settings()).ClientHandshake(ctx, authority, raw)
}

// Clone asks the same source.
func (c *freshCreds) Clone() credentials.TransportCredentials { return clientCreds(c.settings) }
