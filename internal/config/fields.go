package config

import (
	"slices"
	"strings"
	"time"

	"gopush/internal/push"
)

// field is one setting.
type field struct {
	path  string // name, or section.name: there is one level of sections
	doc   string // whole sentences; it becomes the comment in a printed file
	value value  // points into the settings
}

// reloads reports whether a running process takes a new value over.
func (f field) reloads() bool {
	_, ok := f.value.(live)
	return ok
}

// reload says so in a word, for those who read of the setting.
func (f field) reload() string {
	if f.reloads() {
		return "yes"
	}
	return "restart"
}

// table is a list of settings, in the order of a printed file.
type table []field

const (
	day = 24 * time.Hour
	// longestTTL is what protocol v1 can ask for, 2^32-1 seconds, in whole days.
	longestTTL = 49710 * day
)

// fields is the one list of settings: the file reader, Set, Validate and Print
// all go by it. Those of a section stand together, after the ones without.
func (s *Serve) fields() table {
	return slices.Concat(table{
		{"data", "Folder that holds everything durable: messages, ids, the admin token.", &text{p: &s.Data}},
		{"dev", "Development: the admin API takes requests from this machine without a token.", &boolean{&s.Dev}},
		{"drain", "How long an orderly stop may take before what is left is cut off.", &duration{&s.Drain, time.Second, 10 * time.Minute}},
		{"drain_delay", "How long a process that is told to stop goes on serving before, with /readyz off\nalready, so that load balancers leave it first. 0: not at all.", &duration{&s.DrainDelay, 0, 10 * time.Minute}},
		{"ops", "Address of health, readiness, metrics and profiles; loopback only, unless\ninsecure_ops is set. Never make it public.", &text{p: &s.Ops, rule: bindable}},
		{"ops_tls_cert", "Certificate of that listener, a PEM file with those between it and its authority;\nempty: plain HTTP.", &text{p: &s.OpsTLSCert, rule: optional(nil)}},
		{"ops_tls_key", "Its private key, a PEM file.", &text{p: &s.OpsTLSKey, rule: optional(nil)}},
		{"insecure_ops", "Let that listener be reached from beyond this machine, though it asks nobody who\nthey are. Only in a network that nobody else is in.", &boolean{&s.InsecureOps}},
		{"insecure_public", "Let clients come from beyond this machine without tokens: who knows or guesses a\nsubscription key reads its messages. See tokens.required.", &boolean{&s.InsecurePublic}},
		{"insecure_rpc", "Let the roles talk to each other beyond this machine, without encryption and\nauthentication. Only in a network that nobody else is in. See rpc.tls_cert.", &boolean{&s.InsecureRPC}},
	}, s.RPC.fields(), table{
		{"log.level", "debug, info, warn or error.", live{&text{p: &s.Log.Level, rule: oneOf("debug", "info", "warn", "error")}}},
		{"log.format", "text or json; logs go to standard error.", &text{p: &s.Log.Format, rule: oneOf("text", "json")}},
	}, table{
		{"tracing.endpoint", "URL of a collector that takes traces as OTLP over HTTP, such as\nhttp://127.0.0.1:4318; empty: no tracing.", &text{p: &s.Tracing.Endpoint, rule: optional(collector)}},
		{"tracing.sample", "Share of the traces that begin here which is recorded; 0 for none. On the\nadmin API a caller that sends a traceparent decides itself.", &share{&s.Tracing.Sample}},
	}, s.Coordination.fields(), s.Store.fields(), s.Messages.fields(), s.Comet.fields(), s.Tokens.fields(), table{
		{"message.rpc", "Address of the message node for the other roles; loopback only, unless\nrpc.tls_cert or insecure_rpc is set.", &text{p: &s.Message.RPC, rule: bindable}},
		{"message.advertise_rpc", "What other roles are told to connect to, host:port; empty: message.rpc.", &text{p: &s.Message.AdvertiseRPC, rule: optional(dialable)}},
	}, table{
		{"web.tls_cert", "Certificate of the public and the admin API, a PEM file with those between it and\nits authority; empty: plain HTTP.", &text{p: &s.Web.TLSCert, rule: optional(nil)}},
		{"web.tls_key", "Its private key, a PEM file.", &text{p: &s.Web.TLSKey, rule: optional(nil)}},
		{"web.insecure_admin", "Let the admin API be reached from beyond this machine though tokens and messages\ncross the network in the clear. Only in a network that nobody else is in.", &boolean{&s.Web.InsecureAdmin}},
		{"web.public", "Address of the public API: node lookup and stored messages.", &text{p: &s.Web.Public, rule: bindable}},
		{"web.admin", "Address of the admin API: push, recall, delete. It needs an admin token;\nloopback only, unless web.tls_cert or web.insecure_admin is set.", &text{p: &s.Web.Admin, rule: bindable}},
		{"web.admin_token_file", "File with the admin tokens: one token alone, an operator's, or lines of the form\nNAME ROLE TOKEN; several web nodes share one. Empty: admin.token in the data\nfolder, made at the first start.", live{&text{p: &s.Web.AdminTokenFile, rule: optional(nil)}}},
		{"web.push_timeout", "How long a push may take, with all that is tried again in it. With ZooKeeper it\nis at least coordination.session and 3s, so that a push outlasts a failover.", live{&duration{&s.Web.PushTimeout, 100 * time.Millisecond, 5 * time.Minute}}},
		{"web.max_connections", "The most connections of web.public, and as many of web.admin.", live{&number{&s.Web.MaxConnections, 1, 10_000_000}}},
		{"web.max_per_address", "How many of them one remote address may have, as for comet.max_per_address; 0 for\nno limit. A backend needs as many as it has pushes under way.", live{&number{&s.Web.MaxPerAddress, 0, 10_000_000}}},
		{"web.pushes_per_second", "How many messages this node takes in one second; 0 for no limit. One more is\nanswered with 429.", live{&number{&s.Web.PushesPerSecond, 0, 10_000_000}}},
		{"web.pushes_per_address", "How many of them of one remote address, as for comet.max_per_address; 0 for no\nlimit.", live{&number{&s.Web.PushesPerAddress, 0, 10_000_000}}},
		{"web.reads_per_address", "How many requests of the public API it answers in one second to one remote\naddress, as for comet.max_per_address; 0 for no limit.", live{&number{&s.Web.ReadsPerAddress, 0, 1_000_000}}},
		{"web.cors_origins", "Origins whose pages may read the public v2 API, such as\nhttps://app.example; \"*\" for any.", live{&list{p: &s.Web.CORSOrigins, rule: origin}}},
	}, s.Moving.fields())
}

// fields of moving in from gopush-cluster 1.0. All empty: nothing is moved.
func (m *Moving) fields() table {
	return table{
		{"moving.ring", "The comet nodes of a gopush-cluster 1.0 that is moved from, each with its weight,\nsuch as node1=1; empty: none. See docs/migrating.md.", live{&list{p: &m.Ring, rule: ringNode}}},
		{"moving.old", "Those of them whose keys are with the old system still: clients and pushes are\nhanded to it.", live{&list{p: &m.Old, rule: groupName}}},
		{"moving.held", "Those of them whose keys nobody may change right now: pushes are answered with\n503, to be tried again.", live{&list{p: &m.Held, rule: groupName}}},
		{"moving.public", "URL of the public API of a web node of the old system; needed with moving.ring.", live{&text{p: &m.Public, rule: optional(webNode)}}},
		{"moving.admin", "URL of its admin API; needed with moving.ring.", live{&text{p: &m.Admin, rule: optional(webNode)}}},
	}
}

// fields of what the roles say to each other. Both ends show the certificate.
func (r *RPC) fields() table {
	return table{
		{"rpc.tls_cert", "Certificate that the role shows to the others, at either end of a connection: a PEM\nfile with those between it and its authority; empty: plain.", &text{p: &r.TLSCert, rule: optional(nil)}},
		{"rpc.tls_key", "Its private key, a PEM file.", &text{p: &r.TLSKey, rule: optional(nil)}},
		{"rpc.tls_ca", "The authorities that certificates of the other roles must come from, a PEM file.", &text{p: &r.TLSCA, rule: optional(nil)}},
		{"rpc.tls_name", "The name that certificates of the other roles must be for; empty: the host that is\nconnected to, as in advertise_rpc.", &text{p: &r.TLSName, rule: optional(hostName)}},
	}
}

// fields of coordination. Those behind kind say nothing to the local one.
func (c *Coordination) fields() table {
	return table{
		{"coordination.kind", "local: in the data folder, for one process with all roles. zookeeper: for any\nnumber of processes, which find each other there.", &text{p: &c.Kind, rule: oneOf("local", "zookeeper")}},
		{"coordination.servers", "Addresses of ZooKeeper, host:port; empty: store.zookeeper.", &list{p: &c.Servers, rule: dialable}},
		{"coordination.root", "The znode that everything is kept below; each cluster needs its own.", &text{p: &c.Root, rule: znode}},
		{"coordination.session", "How long a process may be silent before another takes its place.", &duration{&c.Session, time.Second, time.Minute}},
		{"coordination.user", "User of ZooKeeper's digest authentication; empty: none. Its password comes from\nthe variable GOPUSH_ZOOKEEPER_PASSWORD or from the file below.", &text{p: &c.User, rule: optional(userName)}},
		{"coordination.password_file", "File with that password, one line.", &text{p: &c.PasswordFile, rule: optional(nil)}},
		{"coordination.remove_after", "How long a group may be without any node before its keys go to others.", &duration{&c.RemoveAfter, time.Second, 365 * day}},
	}
}

// fields of the store. Those behind kind say nothing to the embedded one.
func (s *Store) fields() table {
	return table{
		{"store.kind", "embedded: in the data folder, for one process. hbase: in a table of HBase,\nwhich gopush migrate up makes.", &text{p: &s.Kind, rule: oneOf("embedded", "hbase")}},
		{"store.zookeeper", "Addresses of HBase's ZooKeeper, host:port.", &list{p: &s.ZooKeeper, rule: dialable}},
		{"store.znode_parent", "The znode that HBase keeps its own below.", &text{p: &s.ZnodeParent, rule: znode}},
		{"store.table", "Table of the messages, as NAMESPACE:NAME.", &text{p: &s.Table, rule: tableName}},
		{"store.durability", "Where a message is when its push is acknowledged. fsync: on disk. sync: in the\nmemory of several machines. async: in that of one, so that an acknowledged\nmessage can be lost.", &text{p: &s.Durability, rule: oneOf("fsync", "sync", "async")}},
		{"store.keep", "For how long after its push the place of a message is remembered, even if it\nexpired before: so long a reader that was away is told exactly what it missed.", &duration{&s.Keep, day, longestTTL}},
		{"store.min_free", "How much of the disk of the embedded store stays free: with less, no message is\nstored until there is room. 0 to watch nothing; then a full disk ends the process.", &size{&s.MinFree, 0, 1 << 50}},
		{"store.timeout", "How long one call of HBase may take, with all that is tried again in it.", &duration{&s.Timeout, 100 * time.Millisecond, 5 * time.Minute}},
	}
}

// fields of the messages. The largest body is what fits into one row of the
// store: a message is never cut.
func (m *Messages) fields() table {
	return table{
		{"messages.default_ttl", "How long a message lives whose pusher does not say.", live{&duration{&m.DefaultTTL, time.Second, longestTTL}}},
		{"messages.max_bytes", "The largest body of a push.", live{&size{&m.MaxBytes, 64, push.MaxBurstBytes}}},
		{"messages.newest", "Keep only the newest so many messages per key readable; 0 for all.", live{&number{&m.Newest, 0, 1_000_000_000}}},
	}
}

// fields of the comet. The upper bounds are there to find slips of the keyboard,
// not to forbid what a machine could do.
func (c *Comet) fields() table {
	return table{
		{"comet.group", "Name of the node on the ring. It decides which keys it owns, so keep it.", &text{p: &c.Group, rule: groupName}},
		{"comet.weight", "Its share of the keys, beside other nodes.", &number{&c.Weight, 1, 1000}},
		{"comet.http", "Address for websocket and SSE clients.", &text{p: &c.HTTP, rule: bindable}},
		{"comet.tcp", "Address for v1 TCP clients.", &text{p: &c.TCP, rule: bindable}},
		{"comet.rpc", "Address of the comet for the other roles; loopback only, unless rpc.tls_cert\nor insecure_rpc is set.", &text{p: &c.RPC, rule: bindable}},
		{"comet.tls_cert", "Certificate for websocket and SSE clients, who are then told wss:// and https://: a\nPEM file with those between it and its authority; empty: plain.", &text{p: &c.TLSCert, rule: optional(nil)}},
		{"comet.tls_key", "Its private key, a PEM file.", &text{p: &c.TLSKey, rule: optional(nil)}},
		{"comet.tls_tcp", "TLS on comet.tcp as well. Clients of the 1.0 line do not speak it.", &boolean{&c.TLSTCP}},
		{"comet.advertise_http", "What clients are told to connect to for websocket and SSE, host:port;\nempty: comet.http.", &text{p: &c.AdvertiseHTTP, rule: advertised}},
		{"comet.advertise_tcp", "What clients are told to connect to for TCP, host:port; empty: comet.tcp.", &text{p: &c.AdvertiseTCP, rule: advertised}},
		{"comet.advertise_rpc", "What other roles are told to connect to, host:port; empty: comet.rpc.", &text{p: &c.AdvertiseRPC, rule: optional(dialable)}},
		{"comet.max_connections", "The most client connections of the node.", live{&number{&c.MaxConnections, 1, 10_000_000}}},
		{"comet.max_per_key", "The most connections of one key.", live{&number{&c.MaxPerKey, 1, 100_000}}},
		{"comet.max_per_address", "The most connections of one remote address; for IPv6, of a network of 64 bits. 0\nfor no limit: behind a load balancer or a shared address are many devices.", live{&number{&c.MaxPerAddress, 0, 10_000_000}}},
		{"comet.handshakes_per_second", "How many connections may begin in one second; 0 for no limit.", live{&number{&c.HandshakesPerSecond, 0, 1_000_000}}},
		{"comet.handshakes_per_address", "How many of them from one remote address, as for comet.max_per_address; 0 for no\nlimit.", live{&number{&c.HandshakesPerAddress, 0, 1_000_000}}},
		{"comet.handshakes_per_key", "How many of them of one key; 0 for no limit.", live{&number{&c.HandshakesPerKey, 0, 1_000_000}}},
		{"comet.pushes_per_key", "How many messages one key takes in one second, whichever web nodes they come\nfrom; 0 for no limit. One more is answered with 429. Public messages are a key of\ntheir own.", live{&number{&c.PushesPerKey, 0, 10_000_000}}},
		{"comet.heartbeat", "How often v2 connections are pinged.", &duration{&c.Heartbeat, time.Second, time.Hour}},
		{"comet.origins", "Origins that browsers may connect from; empty: any.", live{&list{p: &c.Origins, rule: origin}}},
	}
}

// fields of the tokens that clients show.
func (k *Tokens) fields() table {
	return table{
		{"tokens.required", "Clients need a signed token to connect, and to read stored messages. Without it\ntokens are not looked at.", &boolean{&k.Required}},
		{"tokens.keys_file", "File with the keys that sign and check them, lines of the form KID ALG KEY; the\nfirst that can sign does. Its content is read again at a reload. Empty: none.", &text{p: &k.KeysFile, rule: optional(nil)}},
		{"tokens.max_life", "How far ahead the end of a token may lie; one beyond is not valid.", &duration{&k.MaxLife, time.Second, 3650 * day}},
	}
}

// find looks a whole path up.
func (t table) find(path string) (field, bool) {
	i := slices.IndexFunc(t, func(f field) bool { return f.path == path })
	if i < 0 {
		return field{}, false
	}
	return t[i], true
}

// paths lists every setting, for the one who mistyped one.
func (t table) paths() []string {
	paths := make([]string, len(t))
	for i, f := range t {
		paths[i] = f.path
	}
	return paths
}

// names lists what may stand in a section, or at the top ("").
func (t table) names(section string) []string {
	var names []string
	for _, f := range t {
		head, name, nested := strings.Cut(f.path, ".")
		switch {
		case section == "":
			names = append(names, head)
		case nested && head == section:
			names = append(names, name)
		}
	}
	return slices.Compact(names) // settings of a section stand together
}

// section reports whether name is that of a section.
func (t table) section(name string) bool {
	return slices.ContainsFunc(t, func(f field) bool { return strings.HasPrefix(f.path, name+".") })
}
