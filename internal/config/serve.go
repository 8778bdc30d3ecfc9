package config

import (
	"fmt"
	"net"
	"strconv"
	"time"
)

// Serve is what `gopush serve` can be told. Default gives the usual values; the
// documentation of each setting is in the table that fields makes.
//
// Addresses are host:port to bind to; port 0 lets the system choose. A setting
// that is added later must keep the old behaviour as its default.
type Serve struct {
	Data  string        // folder, relative to the working directory
	Dev   bool          // no admin token on loopback
	Drain time.Duration // the whole of an orderly stop
	// DrainDelay is how long everything goes on, without being ready, before that stop.
	DrainDelay time.Duration
	Ops        string // host:port
	// Of Ops, PEM; both or none.
	OpsTLSCert, OpsTLSKey string
	// InsecureOps allows an Ops that others than this machine can reach: it asks nobody.
	InsecureOps bool
	// InsecurePublic allows addresses for clients that others than this machine can reach
	// though no token is required of them: who knows a key reads its messages.
	InsecurePublic bool
	// InsecureRPC allows addresses of RPC that others than this machine can reach,
	// though what the roles say there is neither encrypted nor authenticated.
	InsecureRPC  bool
	RPC          RPC
	Log          Log
	Tracing      Tracing
	Coordination Coordination
	Store        Store
	Messages     Messages
	Comet        Comet
	Tokens       Tokens
	Message      Message
	Web          Web
	Moving       Moving
}

// Moving says which keys are still with a gopush-cluster 1.0 that is moved from.
type Moving struct {
	Ring          []string // its comet nodes, NAME=WEIGHT
	Old, Held     []string // of them
	Public, Admin string   // URLs of its web node
}

// RPC is how the roles talk to each other. The files are PEM; all three or none.
type RPC struct {
	TLSCert, TLSKey, TLSCA string
	TLSName                string // that peers' certificates must be for; empty: the host of their address
}

// TLS reports whether the roles show each other certificates.
func (r *RPC) TLS() bool { return r.TLSCert != "" }

// Coordination is how nodes find each other and agree on who serves what.
type Coordination struct {
	Kind         string        // local, zookeeper
	Servers      []string      // of ZooKeeper, host:port; empty: those of the store
	Root         string        // what everything is kept below
	Session      time.Duration // how long a process may be silent
	User         string        // empty: no authentication
	PasswordFile string
	RemoveAfter  time.Duration // how long a group may be without nodes
}

// Log says what goes to standard error.
type Log struct {
	Level  string // debug, info, warn, error
	Format string // text, json
}

// Tracing says where spans go, and of which requests.
type Tracing struct {
	Endpoint string  // URL of a collector; empty: no tracing
	Sample   float64 // share of the traces that begin here, 0 to 1
}

// Store is where messages are kept: in the data folder, or in HBase.
type Store struct {
	Kind        string   // embedded, hbase
	ZooKeeper   []string // of HBase, host:port
	ZnodeParent string   // what HBase keeps its own below
	Table       string   // NAMESPACE:NAME, or NAME
	Durability  string   // fsync, sync, async
	Keep        time.Duration
	Timeout     time.Duration // of one call of HBase
	MinFree     int           // bytes of the disk of the embedded store
}

// Messages are the rules for what is pushed.
type Messages struct {
	DefaultTTL time.Duration
	MaxBytes   int // of a body
	Newest     int // 0: all
}

// Comet is the node that keeps connections.
type Comet struct {
	Group  string // its name on the ring
	Weight int    // 1 to 1,000

	// HTTP carries websocket and SSE; TCP is v1's; RPC is for the other roles.
	HTTP, TCP, RPC string
	// Of websocket and SSE, PEM; both or none. TLSTCP: of TCP as well.
	TLSCert, TLSKey string
	TLSTCP          bool
	// Advertised are what clients are told, as what is bound may mean nothing to
	// them. Empty: what is bound.
	AdvertiseHTTP, AdvertiseTCP string
	// AdvertiseRPC is what other roles are told; empty: what is bound.
	AdvertiseRPC string

	MaxConnections, MaxPerKey int
	MaxPerAddress             int // 0: any
	// Per second; 0: any.
	HandshakesPerSecond, HandshakesPerAddress, HandshakesPerKey int
	PushesPerKey                                                int

	Heartbeat time.Duration
	Origins   []string // of browsers; empty: any
}

// Tokens are those that clients show.
type Tokens struct {
	Required bool   // on every connection, and to read stored messages
	KeysFile string // empty: none
	MaxLife  time.Duration
}

// Message is the node that stores.
type Message struct {
	RPC          string // host:port
	AdvertiseRPC string // what other roles are told; empty: what is bound
}

// Web is the HTTP API.
type Web struct {
	Public, Admin   string // host:port
	TLSCert, TLSKey string // of both, PEM; both or none
	// InsecureAdmin allows an Admin that others than this machine can reach, without TLS.
	InsecureAdmin  bool
	AdminTokenFile string // empty: in the data folder, made if need be
	PushTimeout    time.Duration
	CORSOrigins    []string // of pages that may read the public API
	// Per second; 0: any.
	PushesPerSecond, PushesPerAddress, ReadsPerAddress int
	// Connections, of each listener; MaxPerAddress 0: any.
	MaxConnections, MaxPerAddress int
}

// TLS reports whether websocket and SSE clients must speak it.
func (c *Comet) TLS() bool { return c.TLSCert != "" }

// OpsTLS reports whether health, readiness and metrics are asked for over TLS.
func (s *Serve) OpsTLS() bool { return s.OpsTLSCert != "" }

// TLS reports whether the clients of both APIs must speak it.
func (w *Web) TLS() bool { return w.TLSCert != "" }

// Default is what holds without a file: everything on loopback, on the ports
// that clients of the 1.0 line know.
func Default() Serve {
	return Serve{
		Data:    "gopush-data",
		Drain:   10 * time.Second,
		Ops:     "127.0.0.1:6971",
		Log:     Log{Level: "info", Format: "text"},
		Tracing: Tracing{Sample: 0.01},
		Coordination: Coordination{
			Kind: "local", Root: "/gopush", Session: 4 * time.Second, RemoveAfter: 10 * time.Minute,
		},
		Store: Store{
			Kind: "embedded", ZnodeParent: "/hbase", Table: "gopush:messages",
			Durability: "fsync", Keep: 30 * day, Timeout: 10 * time.Second, MinFree: 64 << 20,
		},
		Messages: Messages{DefaultTTL: 30 * day, MaxBytes: 64 << 10},
		Comet: Comet{
			Group: "node1", Weight: 1,
			HTTP: "127.0.0.1:6968", TCP: "127.0.0.1:6969", RPC: "127.0.0.1:6970",
			MaxConnections: 100_000, MaxPerKey: 64, Heartbeat: 30 * time.Second,
		},
		Tokens:  Tokens{MaxLife: 30 * day},
		Message: Message{RPC: "127.0.0.1:8070"},
		Web:     Web{Public: "127.0.0.1:8090", Admin: "127.0.0.1:8091", PushTimeout: 5 * time.Second, MaxConnections: 100_000},
	}
}

// PortsFrom gives every listener a port: first, first+1 and so on, in the order
// public API, admin API, comet HTTP, comet TCP, comet RPC, message RPC, ops.
// With first 0 the system chooses them all.
func (s *Serve) PortsFrom(first int) error {
	all := []*string{&s.Web.Public, &s.Web.Admin, &s.Comet.HTTP, &s.Comet.TCP, &s.Comet.RPC, &s.Message.RPC, &s.Ops}
	// The last port must still be one.
	if first < 0 || first > 65535-len(all)+1 {
		return fmt.Errorf("the first port is %d; it must be 0, or 1 to %d, as %d ports are needed", first, 65535-len(all)+1, len(all))
	}
	for i, addr := range all {
		host, _, err := net.SplitHostPort(*addr)
		if err != nil {
			return err
		}
		port := 0
		if first > 0 {
			port = first + i
		}
		*addr = net.JoinHostPort(host, strconv.Itoa(port))
	}
	return nil
}

// Set gives one setting by its path, such as comet.max_per_key, as a flag does.
// It checks the value alone; Validate checks what settings mean together.
func (s *Serve) Set(path, text string) error {
	fields := s.fields()
	f, ok := fields.find(path)
	if !ok {
		return fmt.Errorf("%s", unknown(path, fields.paths()))
	}
	if err := f.value.set(text); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// Validate reports every setting that is out of range or does not go with the
// others, as Problems without lines.
func (s *Serve) Validate() error {
	var found Problems
	for _, f := range s.fields() {
		if err := f.value.check(); err != nil {
			found = append(found, Problem{Path: f.path, What: err.Error()})
		}
	}
	found = append(found, s.together()...)
	return found.err()
}

// Reload returns the settings that hold once next was read on a running process: next's
// where they can be taken over, and else still s's. changed names the former that differ,
// restart the latter.
func (s Serve) Reload(next Serve) (now Serve, changed, restart []string) {
	now = s
	held := now.fields()
	for i, f := range next.fields() {
		switch {
		case f.value.yaml() == held[i].value.yaml():
		case f.reloads():
			take(held[i].value, f.value)
			changed = append(changed, f.path)
		default:
			restart = append(restart, f.path)
		}
	}
	return now, changed, restart
}

// Paths lists every setting.
func Paths() []string { return new(Serve).fields().paths() }

// Reloadable lists the settings that a running process can take over.
func Reloadable() []string {
	var paths []string
	for _, f := range new(Serve).fields() {
		if f.reloads() {
			paths = append(paths, f.path)
		}
	}
	return paths
}
