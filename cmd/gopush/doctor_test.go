package main

import (
	"encoding/json"
	"maps"
	"os"
	"strings"
	"testing"

	"gopush/internal/cert/certtest"
	"gopush/internal/doctor"
)

// TestDoctor of the embedded store: fine in an empty folder, and beside a server
// that runs; not fine where the data folder cannot be one.
func TestDoctor(t *testing.T) {
	got := gopush(t, "", "--json", "doctor")
	var r doctor.Report
	if err := json.Unmarshal([]byte(got.out), &r); err != nil || got.code != exitOK || !r.Healthy || len(r.Findings) < 3 {
		t.Errorf("%v %+v", err, got)
	}
	if err := os.WriteFile("file", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	got = gopushHere(t.Context(), "", "doctor", "--data", "file")
	if got.code != exitFailure || !strings.Contains(got.out, "wrong    data folder: file is not a folder\n         -> Name a folder with --data.\n") ||
		got.err != "gopush: something is wrong; see above\n" {
		t.Errorf("%+v", got)
	}
}

// TestDoctorWithoutHBase: it looks at what can be looked at, and ends.
func TestDoctorWithoutHBase(t *testing.T) {
	got := gopush(t, "", "doctor", "--store", "hbase", "--zookeeper", "127.0.0.1:1")
	if got.code != exitFailure || !strings.Contains(got.out, "wrong    ZooKeeper: ZooKeeper at 127.0.0.1:1") || !strings.Contains(got.out, "-> Start ZooKeeper") {
		t.Errorf("%+v", got)
	}
}

// TestDoctorOfCertificates: each that the settings name is looked at, for the names that
// others connect to.
//
// Broken once by taking the bound address though another one is advertised.
func TestDoctorOfCertificates(t *testing.T) {
	ca := certtest.New(t)
	f := ca.Issue(t, "all", []string{"push.example", "127.0.0.1"}, nil)
	pair := "tls_cert: " + f.Cert + ", tls_key: " + f.Key
	for name, tt := range map[string]struct {
		yaml string
		want map[string]string // what is wrong, by listener; empty: nothing
	}{
		"on this machine": {"comet: {" + pair + "}\nweb: {" + pair + "}\nrpc: {" + pair + ", tls_ca: " + ca.File + "}", map[string]string{"comet": "", "web": "", "rpc": ""}},
		"advertised":      {"comet: {http: \"0.0.0.0:1\", advertise_http: \"push.example:1\", " + pair + "}", map[string]string{"comet": ""}},
		"of another name": {"comet: {http: \"127.0.0.1:1\", advertise_http: \"other.example:1\", " + pair + "}", map[string]string{"comet": "clients that connect to other.example refuse it"}},
		"TCP of another":  {"comet: {advertise_tcp: \"tcp.example:1\", tls_tcp: true, " + pair + "}", map[string]string{"comet": "clients that connect to tcp.example refuse it"}},
		"everywhere":      {"web: {public: \"0.0.0.0:1\", " + pair + "}", map[string]string{"web": ""}},
		"roles by name":   {"rpc: {" + pair + ", tls_ca: " + ca.File + ", tls_name: role.example}", map[string]string{"rpc": "clients that connect to role.example refuse it"}},
		"a node of one role": {
			"coordination: {kind: zookeeper, servers: [\"zk:2181\"]}\nrpc: {" + pair + ", tls_ca: " + ca.File + "}\nmessage: {rpc: \"0.0.0.0:1\", advertise_rpc: \"message1:1\"}",
			map[string]string{"rpc": "clients that connect to message1 refuse it"},
		},
	} {
		t.Chdir(t.TempDir())
		if err := os.WriteFile("gopush.yaml", []byte(tt.yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		got := gopushHere(t.Context(), "", "--json", "doctor", "--config", "gopush.yaml")
		var r doctor.Report
		if err := json.Unmarshal([]byte(got.out), &r); err != nil {
			t.Fatalf("%s: %v %+v", name, err, got)
		}
		seen := make(map[string]string)
		for _, finding := range r.Findings {
			listener, ok := strings.CutPrefix(finding.Check, "certificate of ")
			if ok && finding.Verdict != doctor.OK {
				seen[listener], _, _ = strings.Cut(finding.Seen, ": ")
			} else if ok && seen[listener] == "" {
				seen[listener] = ""
			}
		}
		if !maps.Equal(seen, tt.want) {
			t.Errorf("%s: %v, want %v", name, seen, tt.want)
		}
	}
}
