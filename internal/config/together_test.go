package config

import (
	"strings"
	"testing"
	"time"
)

// TestTogether: what settings mean together, as files say it. The old ones mean what
// they did.
func TestTogether(t *testing.T) {
	for _, tt := range []struct{ yaml, complaint string }{
		{"comet: {rpc: \"10.0.0.1:6970\"}", "comet.rpc: \"10.0.0.1:6970\" is not a loopback address"},
		{"message: {rpc: \"0.0.0.0:8070\"}", "message.rpc: \"0.0.0.0:8070\" is not a loopback address"},
		{"insecure_rpc: true\ncomet: {rpc: \"10.0.0.1:6970\"}", ""},
		{"insecure_rpc: true\ncomet: {rpc: \"0.0.0.0:6970\"}", "set comet.advertise_rpc"},
		{"insecure_rpc: true\ncomet: {rpc: \":6970\", advertise_rpc: \"c1:6970\"}", ""},
		{"insecure_rpc: true\nmessage: {rpc: \"[::]:8070\"}", "set message.advertise_rpc"},
		{"message: {advertise_rpc: \"m1\"}", "is not an address to connect to"},
		{"coordination: {kind: zookeeper}", "coordination.servers: it is empty"},
		{"coordination: {kind: zookeeper, servers: [\"zk1:2181\"]}", ""},
		{"coordination: {kind: zookeeper}\nstore: {kind: hbase, zookeeper: [\"zk1:2181\"]}", ""},
		{"coordination: {kind: etcd}", "write one of local, zookeeper"},
		{"coordination: {root: gopush}", "is not the path of a znode"},
		{"coordination: {session: 100ms}", "out of range"},
		{"coordination: {user: \"a:b\"}", "holds a colon"},
		{"coordination: {password_file: secret}", "of no use without coordination.user"},
		{"moving: {ring: [\"node1=1\", \"node10=2\"], old: [\"node1\"], held: [\"node10\"], public: \"http://old:8090\", admin: \"http://old:8091\"}", ""},
		{"moving: {ring: [\"node10=1\"], old: [\"node1\"], public: \"http://old:8090\", admin: \"http://old:8091\"}", "moving.old: \"node1\" is no node of moving.ring"},
		{"moving: {held: [\"node1\"]}", "moving.held: \"node1\" is no node of moving.ring"},
		{"moving: {ring: [\"node1=1\"], public: \"http://old:8090\"}", "moving.admin: it is empty"},
		{"moving: {ring: [\"node1=1\"], admin: \"http://old:8091\"}", "moving.public: it is empty"},
		{"moving: {ring: [\"node1\"]}", "write NAME=WEIGHT"},
		{"moving: {public: \"http://old:8090/\"}", "is not the URL of a web node"},
		{"comet: {tls_cert: a}", "comet.tls_key: it is missing"},
		{"comet: {tls_key: a}", "comet.tls_cert: it is missing"},
		{"comet: {tls_cert: a, tls_key: b}", ""},
		{"comet: {tls_tcp: true}", "comet.tls_tcp: it needs a certificate"},
		{"comet: {tls_cert: a, tls_key: b, tls_tcp: true}", ""},
		{"web: {tls_key: a}", "web.tls_cert: it is missing"},
		{"rpc: {tls_cert: a, tls_key: b}", "rpc.tls_ca: it is missing, but others of tls_ca, tls_cert, tls_key are given"},
		{"rpc: {tls_cert: a, tls_key: b, tls_ca: c, tls_name: gopush.internal}", ""},
		{"rpc: {tls_name: gopush.internal}", "rpc.tls_name: it is of no use"},
		{"rpc: {tls_cert: a, tls_key: b, tls_ca: c, tls_name: \"a b\"}", "write a name or an IP address"},
		{"rpc: {tls_cert: a, tls_key: b, tls_ca: c}\ncomet: {rpc: \"10.0.0.1:6970\"}\nmessage: {rpc: \"10.0.0.1:8070\"}", ""},
		{"rpc: {tls_cert: a, tls_key: b, tls_ca: c}\ncomet: {rpc: \"0.0.0.0:6970\"}", "set comet.advertise_rpc"},
		{"insecure_rpc: true\nrpc: {tls_cert: a, tls_key: b, tls_ca: c}", "insecure_rpc: it says that"},
		{"web: {admin: \"0.0.0.0:8091\"}", "web.admin: \"0.0.0.0:8091\" is not a loopback address, and without TLS"},
		{"web: {admin: \"0.0.0.0:8091\", insecure_admin: true}", ""},
		{"web: {admin: \"0.0.0.0:8091\", tls_cert: a, tls_key: b}", ""},
		{"ops_tls_cert: a", "ops_tls_key: it is missing, but others of tls_cert, tls_key are given"},
		{"ops_tls_cert: a\nops_tls_key: b", ""},
		{"ops: \"0.0.0.0:6971\"", "ops: \"0.0.0.0:6971\" is not a loopback address"},
		{"dev: true\nweb: {admin: \"0.0.0.0:8091\", tls_cert: a, tls_key: b}", "dev: it opens the admin API without a token"},
	} {
		_, err := Parse("x.yaml", []byte(tt.yaml))
		switch {
		case tt.complaint == "" && err != nil:
			t.Errorf("%s: %v", tt.yaml, err)
		case tt.complaint != "" && (err == nil || !strings.Contains(err.Error(), tt.complaint)):
			t.Errorf("%s: %v; want %s", tt.yaml, err, tt.complaint)
		}
	}
}

// TestCoordinationServers: ZooKeeper is HBase's own unless another is named.
func TestCoordinationServers(t *testing.T) {
	s := Default()
	s.Store.Kind, s.Store.ZooKeeper = "hbase", []string{"hbase:2181"}
	if got := s.CoordinationServers(); len(got) != 1 || got[0] != "hbase:2181" {
		t.Errorf("HBase's: %v", got)
	}
	s.Coordination.Servers = []string{"other:2181"}
	if got := s.CoordinationServers(); len(got) != 1 || got[0] != "other:2181" {
		t.Errorf("another: %v", got)
	}
}

// TestPushTimeout: with ZooKeeper a push outlasts a failover.
func TestPushTimeout(t *testing.T) {
	s := Default()
	if got := s.PushTimeout(); got != 5*time.Second {
		t.Errorf("alone: %s", got)
	}
	s.Coordination.Kind = "zookeeper"
	if got := s.PushTimeout(); got != 7*time.Second {
		t.Errorf("with sessions of 4s: %s", got)
	}
	s.Web.PushTimeout = time.Minute
	if got := s.PushTimeout(); got != time.Minute {
		t.Errorf("as set: %s", got)
	}
}
