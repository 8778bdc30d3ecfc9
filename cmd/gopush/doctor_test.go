package main

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"gopush/internal/cert/certtest"
	"gopush/internal/doctor"
)

// TestDoctor of the embedded store: fine in an empty folder, and beside a server
// that runs; not fine where the data folder cannot be one.
func TestDoctor(t *testing.T) {
	t.Chdir(t.TempDir())
	// Others may listen on the ports of the defaults.
	if err := os.WriteFile("settings.yaml", []byte("ops: 127.0.0.1:0\nweb: {admin: \"127.0.0.1:0\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got := gopushHere(t.Context(), "", "--json", "doctor", "--config", "settings.yaml")
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

// TestDoctorOfRole: what a role does not need is not looked for. The role is the flag's, or
// that of the name of the settings.
//
// Broken once by asking a message node on HBase for a data folder, and once by examining
// HBase for a comet.
func TestDoctorOfRole(t *testing.T) {
	t.Chdir(t.TempDir())
	const settings = `
data: missing
store: {kind: hbase, zookeeper: ["127.0.0.1:1"]}
coordination: {kind: zookeeper}
ops: 127.0.0.1:1
`
	for _, name := range []string{"message.yaml", "comet.yaml", "all.yaml"} {
		if err := os.WriteFile(name, []byte(settings), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	const folder, hbase, admin, files = "none is needed", "ZooKeeper: ZooKeeper at 127.0.0.1:1", "web.admin: ", "connections"
	for args, has := range map[string][]string{
		"--config message.yaml":              {folder, hbase},
		"--config comet.yaml":                {folder, "coordination: ", files},
		"--config all.yaml":                  {hbase, admin, "missing does not exist yet", files},
		"--config all.yaml --role web":       {admin, "missing does not exist yet"},
		"--config comet.yaml --role message": {folder, hbase},
	} {
		got := gopushHere(t.Context(), "", append([]string{"doctor"}, strings.Fields(args)...)...)
		if got.code != exitFailure { // there is no ZooKeeper
			t.Errorf("%s: %+v", args, got)
		}
		for _, part := range []string{folder, hbase, admin, "missing does not exist yet"} {
			if want := slices.Contains(has, part); want != strings.Contains(got.out, part) {
				t.Errorf("%s: %q is there, or missing:\n%s", args, part, got.out)
			}
		}
		for _, part := range has {
			if !strings.Contains(got.out, part) {
				t.Errorf("%s: there is no %q:\n%s", args, part, got.out)
			}
		}
	}
	if got := gopushHere(t.Context(), "", "doctor", "--role", "sweeper"); got.code != exitUsage || !strings.Contains(got.err, "message, comet, web or all") {
		t.Errorf("no such role: %+v", got)
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
		"advertised":      {"insecure_public: true\ncomet: {http: \"0.0.0.0:1\", advertise_http: \"push.example:1\", " + pair + "}", map[string]string{"comet": ""}},
		"of another name": {"comet: {http: \"127.0.0.1:1\", advertise_http: \"other.example:1\", " + pair + "}", map[string]string{"comet": "clients that connect to other.example refuse it"}},
		"TCP of another":  {"comet: {advertise_tcp: \"tcp.example:1\", tls_tcp: true, " + pair + "}", map[string]string{"comet": "clients that connect to tcp.example refuse it"}},
		"everywhere":      {"insecure_public: true\nweb: {public: \"0.0.0.0:1\", " + pair + "}", map[string]string{"web": ""}},
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
