package config

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

// Serve is what `gopush serve` can be told. Default gives the usual values; the
// documentation of each setting is in the table that fields makes.
//
// Addresses are host:port to bind to; port 0 lets the system choose. A setting
// that is added later must keep the old behaviour as its default.
type Serve struct {
	Data     string        // folder, relative to the working directory
	Dev      bool          // no admin token on loopback
	Drain    time.Duration // the whole of an orderly stop
	Ops      string        // host:port
	Log      Log
	Store    Store
	Messages Messages
	Comet    Comet
	Message  Message
	Web      Web
}

// Log says what goes to standard error.
type Log struct {
	Level  string // debug, info, warn, error
	Format string // text, json
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
	// Advertised are what clients are told, as what is bound may mean nothing to
	// them. Empty: what is bound.
	AdvertiseHTTP, AdvertiseTCP string

	MaxConnections, MaxPerKey int
	Heartbeat                 time.Duration
	Origins                   []string // of browsers; empty: any
}

// Message is the node that stores.
type Message struct {
	RPC string // host:port
}

// Web is the HTTP API.
type Web struct {
	Public, Admin string   // host:port
	CORSOrigins   []string // of pages that may read the public API
}

// Default is what holds without a file: everything on loopback, on the ports
// that clients of the 1.0 line know.
func Default() Serve {
	return Serve{
		Data:  "gopush-data",
		Drain: 10 * time.Second,
		Ops:   "127.0.0.1:6971",
		Log:   Log{Level: "info", Format: "text"},
		Store: Store{
			Kind: "embedded", ZnodeParent: "/hbase", Table: "gopush:messages",
			Durability: "fsync", Keep: 30 * day, Timeout: 10 * time.Second,
		},
		Messages: Messages{DefaultTTL: 30 * day, MaxBytes: 64 << 10},
		Comet: Comet{
			Group: "node1", Weight: 1,
			HTTP: "127.0.0.1:6968", TCP: "127.0.0.1:6969", RPC: "127.0.0.1:6970",
			MaxConnections: 100_000, MaxPerKey: 64, Heartbeat: 30 * time.Second,
		},
		Message: Message{RPC: "127.0.0.1:8070"},
		Web:     Web{Public: "127.0.0.1:8090", Admin: "127.0.0.1:8091"},
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

// together checks what settings mean together.
//
// The order of the checks does not show: problems are sorted.
func (s *Serve) together() (found Problems) {
	complain := func(path, format string, args ...any) {
		found = append(found, Problem{Path: path, What: fmt.Sprintf(format, args...)})
	}
	for path, addr := range map[string]string{"comet.rpc": s.Comet.RPC, "message.rpc": s.Message.RPC} {
		if !loopback(addr) {
			complain(path, "%q is not a loopback address, and the roles talk to each other without encryption; use 127.0.0.1", addr)
		}
	}
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
	found.sort()
	return found
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

// Print writes the settings as a file that Parse reads back, with what each of
// them means.
func (s *Serve) Print(w io.Writer) error {
	var b strings.Builder
	// The table keeps the settings of a section together, so that a change of
	// the first part of the path is where a section begins.
	section := ""
	for _, f := range s.fields() {
		head, name, nested := strings.Cut(f.path, ".")
		indent := ""
		if nested {
			indent = "  "
			if head != section {
				section = head
				fmt.Fprintf(&b, "\n%s:\n", head)
			}
		} else {
			name = head
		}
		for line := range strings.SplitSeq(f.doc, "\n") {
			fmt.Fprintf(&b, "%s# %s\n", indent, line)
		}
		fmt.Fprintf(&b, "%s%s: %s\n", indent, name, f.value.yaml())
	}
	_, err := io.WriteString(w, b.String())
	return err
}
