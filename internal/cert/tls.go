package cert

import (
	"bytes"
	"crypto/tls"
	"slices"
)

// suites are those of TLS 1.2 that authenticate what they encrypt and keep old
// connections secret if the key gets lost. TLS 1.3 has no others.
var suites = []uint16{
	tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
	tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
}

// Server is for a listener that anybody may connect to: TLS 1.2 or newer, and no
// certificate is asked for. protocols are what ALPN offers; none: ALPN is not spoken.
//
// A client that resumes a session is shown no certificate. So that it sees a new one, a
// session can be resumed only while the certificate that it began with is in use.
func (s *Source) Server(protocols ...string) *tls.Config {
	c := &tls.Config{
		MinVersion: tls.VersionTLS12, CipherSuites: slices.Clone(suites), NextProtos: protocols,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return &s.pair.Load().Certificate, nil },
	}
	c.WrapSession = func(cs tls.ConnectionState, session *tls.SessionState) ([]byte, error) {
		session.Extra = append(session.Extra, s.pair.Load().mark[:])
		return c.EncryptTicket(cs, session)
	}
	c.UnwrapSession = func(ticket []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
		session, err := c.DecryptTicket(ticket, cs)
		if err != nil || session == nil {
			return nil, err
		}
		mark := s.pair.Load().mark
		if !slices.ContainsFunc(session.Extra, func(b []byte) bool { return bytes.Equal(b, mark[:]) }) {
			return nil, nil //nolint:nilnil // how the library is told to begin a new session
		}
		return session, nil
	}
	return c
}

// Peers is for a listener of the other roles: they must show a certificate of the
// authorities, which Files.CA has to name. Both ends are gopush, so it is TLS 1.3 alone;
// and sessions are not resumed, as that would skip the look at the authorities.
func (s *Source) Peers() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			p := s.pair.Load()
			c := p.peer()
			c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, p.Authorities
			return c, nil
		},
	}
}

// Client is for one connection to another role, with the pair of this moment. The peer
// has to be of the authorities, and its certificate for name; empty: for the host that
// is dialed.
func (s *Source) Client(name string) *tls.Config {
	p := s.pair.Load()
	c := p.peer()
	c.ServerName, c.RootCAs = name, p.Authorities
	return c
}

// ThisMachine is for asking a process of the same machine how it is. Its certificate is not
// looked at: it is for the names that others use, nothing secret is said, and whoever took
// the port could answer without TLS as well.
func ThisMachine() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true} //nolint:gosec // see above
}

// peer is what both ends between the roles have in common.
func (p *Pair) peer() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true, NextProtos: []string{"h2"},
		Certificates: []tls.Certificate{p.Certificate},
	}
}
