package config

import (
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"time"
)

// together checks what settings mean together.
//
// The order of the checks does not show: problems are sorted.
func (s *Serve) together() (found Problems) {
	complain := func(path, format string, args ...any) {
		found = append(found, Problem{Path: path, What: fmt.Sprintf(format, args...)})
	}
	s.rpcTogether(complain)
	s.tlsTogether(complain)
	s.coordinationTogether(complain)
	if s.Dev && !loopback(s.Web.Admin) {
		complain("dev", "it opens the admin API without a token, so web.admin must be a loopback address, and %q is none; turn dev off or use 127.0.0.1", s.Web.Admin)
	}
	if s.Comet.AdvertiseHTTP == "" && !tellable(s.Comet.HTTP) {
		complain("comet.http", "clients cannot be told to connect to %q; set comet.advertise_http to the host:port under which they reach this machine", s.Comet.HTTP)
	}
	if s.Comet.AdvertiseTCP == "" && !tellable(s.Comet.TCP) {
		complain("comet.tcp", "clients cannot be told to connect to %q; set comet.advertise_tcp to the host:port under which they reach this machine", s.Comet.TCP)
	}
	if s.Store.Kind == "hbase" && len(s.Store.ZooKeeper) == 0 {
		complain("store.zookeeper", "it is empty, but the store is hbase; give the addresses of HBase's ZooKeeper, host:port")
	}
	if s.Tokens.Required && s.Tokens.KeysFile == "" {
		complain("tokens.required", "there are no keys to check tokens with; set tokens.keys_file to a file that gopush token keygen has made")
	}
	s.movingTogether(complain)
	found.sort()
	return found
}

// movingTogether checks what moving in needs.
func (s *Serve) movingTogether(complain func(path, format string, args ...any)) {
	m := &s.Moving
	for path, groups := range map[string][]string{"moving.old": m.Old, "moving.held": m.Held} {
		for _, g := range groups {
			if !slices.ContainsFunc(m.Ring, func(node string) bool { return strings.HasPrefix(node, g+"=") }) {
				complain(path, "%q is no node of moving.ring; name all comet nodes of the old system there", g)
			}
		}
	}
	for path, url := range map[string]string{"moving.public": m.Public, "moving.admin": m.Admin} {
		if len(m.Ring) > 0 && url == "" {
			complain(path, "it is empty, but there is a moving.ring; give the URL of a web node of the old system")
		}
	}
}

// rpcTogether checks where the roles talk to each other.
func (s *Serve) rpcTogether(complain func(path, format string, args ...any)) {
	for path, is := range map[string][2]string{
		"comet.rpc": {s.Comet.RPC, s.Comet.AdvertiseRPC}, "message.rpc": {s.Message.RPC, s.Message.AdvertiseRPC},
	} {
		switch {
		case !s.InsecureRPC && !s.RPC.TLS() && !loopback(is[0]):
			complain(path, "%q is not a loopback address, and the roles talk to each other without encryption; use 127.0.0.1, set rpc.tls_cert, or insecure_rpc: true in a network of their own", is[0])
		case is[1] == "" && !dialableFrom(is[0]):
			section, _, _ := strings.Cut(path, ".")
			complain(path, "other roles cannot be told to connect to %q; set %s.advertise_rpc to the host:port under which they reach this machine", is[0], section)
		}
	}
}

// tlsTogether checks what encryption needs, and where it must not be missing.
func (s *Serve) tlsTogether(complain func(path, format string, args ...any)) {
	for beginning, files := range map[string]map[string]string{
		"ops_":   {"tls_cert": s.OpsTLSCert, "tls_key": s.OpsTLSKey},
		"comet.": {"tls_cert": s.Comet.TLSCert, "tls_key": s.Comet.TLSKey},
		"web.":   {"tls_cert": s.Web.TLSCert, "tls_key": s.Web.TLSKey},
		"rpc.":   {"tls_cert": s.RPC.TLSCert, "tls_key": s.RPC.TLSKey, "tls_ca": s.RPC.TLSCA},
	} {
		given := 0
		for _, file := range files {
			if file != "" {
				given++
			}
		}
		for name, file := range files {
			if file == "" && given > 0 {
				complain(beginning+name, "it is missing, but others of %s are given; give all of them or none", strings.Join(slices.Sorted(maps.Keys(files)), ", "))
			}
		}
	}
	if s.Comet.TLSTCP && !s.Comet.TLS() {
		complain("comet.tls_tcp", "it needs a certificate; set comet.tls_cert and comet.tls_key")
	}
	if s.RPC.TLSName != "" && !s.RPC.TLS() {
		complain("rpc.tls_name", "it is of no use without rpc.tls_cert; give both or none")
	}
	if s.InsecureRPC && s.RPC.TLS() {
		complain("insecure_rpc", "it says that the roles may talk to each other without encryption, but rpc.tls_cert has them use it; remove one of them")
	}
	// Encryption does not help there: it keeps nobody out.
	if !loopback(s.Ops) && !s.InsecureOps {
		complain("ops", "%q is not a loopback address, and whoever reaches it reads metrics and takes profiles without being asked who they are; use 127.0.0.1, or set insecure_ops: true in a network that nobody else is in", s.Ops)
	}
	for path, addr := range map[string]string{"comet.http": s.Comet.HTTP, "comet.tcp": s.Comet.TCP, "web.public": s.Web.Public} {
		if bindable(addr) == nil && !loopback(addr) && !s.Tokens.Required && !s.InsecurePublic {
			complain(path, "%q is not a loopback address, and whoever knows or guesses a subscription key reads its messages there; set tokens.required, use 127.0.0.1, or set insecure_public: true if that is meant so", addr)
		}
	}
	if !s.Dev && !loopback(s.Web.Admin) && !s.Web.TLS() && !s.Web.InsecureAdmin {
		complain("web.admin", "%q is not a loopback address, and without TLS the admin token would cross the network in the clear; set web.tls_cert and web.tls_key, use 127.0.0.1, or set web.insecure_admin: true in a network that nobody else is in", s.Web.Admin)
	}
}

// coordinationTogether checks what ZooKeeper needs.
func (s *Serve) coordinationTogether(complain func(path, format string, args ...any)) {
	c := &s.Coordination
	if c.Kind == "zookeeper" && len(s.CoordinationServers()) == 0 {
		complain("coordination.servers", "it is empty, but coordination is zookeeper; give ZooKeeper's addresses, host:port")
	}
	if c.User == "" && c.PasswordFile != "" {
		complain("coordination.password_file", "it is of no use without coordination.user; give both or none")
	}
}

// CoordinationServers are the ZooKeeper servers of coordination: HBase's own, if
// no others are named.
func (s *Serve) CoordinationServers() []string {
	if len(s.Coordination.Servers) == 0 && s.Store.Kind == "hbase" {
		return s.Store.ZooKeeper
	}
	return s.Coordination.Servers
}

// dialableFrom reports whether others can be told to connect to what is bound: every
// interface is no address.
func dialableFrom(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && host != "" && !net.ParseIP(host).IsUnspecified()
}

// loopback reports whether only this machine can reach addr.
func loopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && (host == "localhost" || net.ParseIP(host).IsLoopback())
}

// tellable reports whether clients can be told to connect to what is bound:
// neither every interface nor, as they split at the colon, IPv6.
func tellable(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	return err == nil && host != "" && !strings.Contains(host, ":") && !net.ParseIP(host).IsUnspecified()
}

// PushTimeout is how long a push may take. In a cluster it may have to wait for a
// successor of the node that its key belongs to.
func (s *Serve) PushTimeout() time.Duration {
	if s.Coordination.Kind != "zookeeper" {
		return s.Web.PushTimeout
	}
	return max(s.Web.PushTimeout, s.Coordination.Session+3*time.Second)
}
