package serve

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"

	"gopush/internal/cert"
	"gopush/internal/config"
	"gopush/internal/rpc"
)

// certificates are what the roles of this process show; nil: it is plain text there.
type certificates struct{ comet, web, rpc, ops *cert.Source }

// openCertificates reads what the settings name for the roles that run, and again with
// each reload. All comets have that of Settings.Comet.
func (s *System) openCertificates() (err error) {
	set := &s.cfg.Settings
	open := func(listener string, files cert.Files) *cert.Source {
		source, failed := cert.Open(cert.Config{Listener: listener, Files: files, Now: s.cfg.Now}, s.log, s.metrics)
		if failed == nil {
			failed = s.onReload(renewal(listener, source))
		}
		err = errors.Join(err, failed)
		return source
	}
	if set.Comet.TLS() && s.cfg.Roles.Has(Comet) {
		s.certs.comet = open("comet", cert.Files{Cert: set.Comet.TLSCert, Key: set.Comet.TLSKey})
	}
	if set.Web.TLS() && s.cfg.Roles.Has(Web) {
		s.certs.web = open("web", cert.Files{Cert: set.Web.TLSCert, Key: set.Web.TLSKey})
	}
	if set.RPC.TLS() {
		s.certs.rpc = open("rpc", cert.Files{Cert: set.RPC.TLSCert, Key: set.RPC.TLSKey, CA: set.RPC.TLSCA})
	}
	if set.OpsTLS() {
		s.certs.ops = open("ops", cert.Files{Cert: set.OpsTLSCert, Key: set.OpsTLSKey})
	}
	return err
}

// renewal has a certificate follow what its files hold. Which files those are is settled
// at the start.
func renewal(listener string, source *cert.Source) preparation {
	return func(config.Serve) (step, error) {
		pair, changed, err := source.Read()
		if err != nil || !changed {
			return step{}, err
		}
		return step{take: func() { source.Use(pair) }, news: "the certificate of " + listener}, nil
	}
}

// secure puts TLS on the listeners that have a certificate. The RPC servers make their
// own handshakes. HTTP/2 is not offered, as a websocket cannot be opened in it.
func (ls *listeners) secure(certs *certificates, tcp bool) {
	if certs.ops != nil {
		ls.ops = tls.NewListener(ls.ops, certs.ops.Server("http/1.1"))
	}
	if certs.web != nil {
		ls.public = tls.NewListener(ls.public, certs.web.Server("http/1.1"))
		ls.admin = tls.NewListener(ls.admin, certs.web.Server("http/1.1"))
	}
	if certs.comet == nil {
		return
	}
	for i := range ls.comets {
		c := &ls.comets[i]
		c.http = tls.NewListener(c.http, certs.comet.Server("http/1.1"))
		if tcp {
			c.tcp = tls.NewListener(c.tcp, certs.comet.Server())
		}
	}
}

// rpcServer is how the roles of this process answer others.
func (s *System) rpcServer() rpc.ServerConfig {
	cfg := rpc.ServerConfig{Traces: s.traces()}
	if s.certs.rpc != nil {
		cfg.TLS = s.certs.rpc.Peers()
	}
	return cfg
}

// rpcTLS gives what a connection to another role is opened with; nil: plain text.
func (s *System) rpcTLS() func() *tls.Config {
	if s.certs.rpc == nil {
		return nil
	}
	return func() *tls.Config { return s.certs.rpc.Client(s.cfg.Settings.RPC.TLSName) }
}

// warnOpen names, in a line each, the listeners that others than this machine reach without
// TLS, and those that they read messages from without a token. The first is allowed, as
// something before this process may do it; the second was said to be meant so.
func (s *System) warnOpen() {
	var plain, open []string
	look := func(setting, addr string, secure bool) {
		host, _, err := net.SplitHostPort(addr)
		if err != nil || net.ParseIP(host).IsLoopback() {
			return
		}
		if !secure {
			plain = append(plain, setting+" "+addr)
		}
		if !s.cfg.Settings.Tokens.Required && slices.Contains([]string{"comet.http", "comet.tcp", "web.public"}, setting) {
			open = append(open, setting+" "+addr)
		}
	}
	look("ops", s.addrs.Ops, s.addrs.OpsTLS)
	look("web.public", s.addrs.Public, s.addrs.TLS)
	look("web.admin", s.addrs.Admin, s.addrs.TLS)
	for _, c := range s.addrs.Comets {
		look("comet.http", c.HTTP, c.TLS)
		look("comet.tcp", c.TCP, c.TCPTLS)
	}
	if len(plain) > 0 {
		s.log.Warn("listeners that other machines reach have no TLS: what is said there can be read and changed on the way",
			slog.String("listeners", strings.Join(plain, ", ")))
	}
	if len(open) > 0 {
		s.log.Warn("listeners that other machines reach want no token: whoever knows or guesses a key reads its messages; see tokens.required",
			slog.String("listeners", strings.Join(open, ", ")))
	}
}
