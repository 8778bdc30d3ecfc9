package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// Addrs are the addresses that a System listens on, host:port each, with the
// real port where the settings have 0. What belongs to a role that does not run is
// empty.
type Addrs struct {
	Public  string       `json:"public,omitempty"`
	Admin   string       `json:"admin,omitempty"`
	Ops     string       `json:"ops"`
	Message string       `json:"message_rpc,omitempty"`
	Comets  []CometAddrs `json:"comets,omitempty"`
	// TLS says that Public and Admin are spoken to over TLS; OpsTLS, that Ops is.
	TLS    bool `json:"tls,omitempty"`
	OpsTLS bool `json:"ops_tls,omitempty"`
}

// CometAddrs are those of one comet.
type CometAddrs struct {
	Group string `json:"group"`
	HTTP  string `json:"http"` // websocket and SSE
	TCP   string `json:"tcp"`
	RPC   string `json:"rpc"`
	// TLS says that HTTP is spoken to over TLS; TCPTLS, that TCP is.
	TLS    bool `json:"tls,omitempty"`
	TCPTLS bool `json:"tcp_tls,omitempty"`
}

// listeners are all that a System accepts from. Each is closed by whoever
// serves it; close is for those that nobody served.
type listeners struct {
	public, admin, ops, message net.Listener
	comets                      []cometListeners
}

// cometListeners are those of one comet.
type cometListeners struct{ http, tcp, rpc net.Listener }

// listen opens them all, or none. It goes on after a failure, so that whoever has
// several ports taken learns it at once.
func listen(cfg *Config) (*listeners, error) {
	var ls listeners
	var errs []error
	open := func(setting, addr string) net.Listener {
		l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
		switch {
		case errors.Is(err, syscall.EADDRINUSE):
			errs = append(errs, fmt.Errorf("%s: another process listens on %s already; stop it, or choose other ports, all at once with --ports-from", setting, addr))
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", setting, err))
		}
		return l
	}
	s := &cfg.Settings
	if cfg.Roles.Has(Web) {
		ls.public = open("web.public", s.Web.Public)
		ls.admin = open("web.admin", s.Web.Admin)
	}
	ls.ops = open("ops", s.Ops)
	if cfg.Roles.Has(Message) {
		ls.message = open("message.rpc", s.Message.RPC)
	}
	for _, c := range cfg.comets() {
		ls.comets = append(ls.comets, cometListeners{
			http: open("comet.http", c.HTTP), tcp: open("comet.tcp", c.TCP), rpc: open("comet.rpc", c.RPC),
		})
	}
	if len(errs) > 0 {
		ls.close()
		return nil, errors.Join(errs...)
	}
	return &ls, nil
}

// close may find listeners that are closed already; that is their owners' doing.
func (ls *listeners) close() {
	all := []net.Listener{ls.public, ls.admin, ls.ops, ls.message}
	for _, c := range ls.comets {
		all = append(all, c.http, c.tcp, c.rpc)
	}
	for _, l := range all {
		if l != nil {
			_ = l.Close()
		}
	}
}

// addrs tells the real addresses, in the order of the comets' settings.
func (ls *listeners) addrs(cfg *Config) Addrs {
	s := &cfg.Settings
	a := Addrs{Public: addrOf(ls.public), Admin: addrOf(ls.admin), Ops: addrOf(ls.ops), Message: addrOf(ls.message)}
	a.TLS, a.OpsTLS = a.Public != "" && s.Web.TLS(), s.OpsTLS()
	for i, c := range cfg.comets() {
		l := ls.comets[i]
		a.Comets = append(a.Comets, CometAddrs{
			Group: c.Group, HTTP: l.http.Addr().String(), TCP: l.tcp.Addr().String(), RPC: l.rpc.Addr().String(),
			TLS: s.Comet.TLS(), TCPTLS: s.Comet.TLSTCP,
		})
	}
	return a
}

// addrOf is empty for what is not listened on.
func addrOf(l net.Listener) string {
	if l == nil {
		return ""
	}
	return l.Addr().String()
}
