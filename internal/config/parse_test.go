package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Parse reads one file over the defaults.
func Parse(name string, b []byte) (Serve, error) {
	d := NewDraft()
	d.Bytes(name, b)
	return d.Serve()
}

// printed is what a draft prints.
func printed(t testing.TB, d *Draft) string {
	t.Helper()
	var out strings.Builder
	if err := d.Print(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestParse(t *testing.T) {
	want := Default()
	want.Data = "/var/lib/gopush"
	want.Dev = true
	want.Drain = 90 * time.Second
	want.Log.Format = "json"
	want.Messages = Messages{DefaultTTL: 7 * day, MaxBytes: 32 << 10, Newest: 1000}
	want.Comet.Weight = 3
	want.InsecurePublic = true
	want.Comet.HTTP = "0.0.0.0:80"
	want.Comet.AdvertiseHTTP = "push.example.org:80"
	want.Comet.Origins = []string{"https://app.example", "http://localhost:3000"}
	want.Web.CORSOrigins = []string{"*"}
	got, err := Parse("x.yaml", []byte(`
data: /var/lib/gopush   # no quotes are needed
dev: true
drain: 1m30s
insecure_public: true
log: {format: json}
messages:
  default_ttl: 7d
  max_bytes: 32768
  newest: 1000
comet:
  weight: 3
  http: 0.0.0.0:80
  advertise_http: "push.example.org:80"
  origins:
    - https://app.example
    - http://localhost:3000
message: # nothing set
web:
  cors_origins: ["*"]
`))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseNothing(t *testing.T) {
	for _, text := range []string{"", "\n\n", "# only a comment\n", "---\n", "~"} {
		got, err := Parse("x.yaml", []byte(text))
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if diff := cmp.Diff(Default(), got); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

// TestProblems: each line of want is a whole problem, all of the file at once.
func TestProblems(t *testing.T) {
	tests := map[string]struct {
		text string
		want []string
	}{
		"many": {
			"data: 5\ndev: \"yes\"\ncomet:\n  max_per_kye: 3\n  group: no/de\n  weight: \"1\"\nlog: 7\n",
			[]string{
				`x.yaml:1: data: it must be text; put it in quotes`,
				`x.yaml:2: dev: it must be true or false, without quotes`,
				`x.yaml:4: comet: "max_per_kye" is not a setting; did you mean max_per_key?`,
				`x.yaml:5: comet.group: "no/de" holds '/'; use letters, digits, '-', '_' and '.'`,
				`x.yaml:6: comet.weight: it must be a whole number from 1 to 1000, without quotes`,
				`x.yaml:7: log: it must hold settings, each as a line of the form name: value`,
			},
		},
		"unknown, nothing near": {
			"colour: red\n",
			[]string{`x.yaml:1: "colour" is not a setting; remove it, or use one of data, dev, drain, drain_delay, ops, ops_tls_cert, ops_tls_key, insecure_ops, insecure_public, insecure_rpc, rpc, log, tracing, coordination, store, messages, comet, tokens, message, web, moving`},
		},
		"dotted name": {"comet.group: a\n", []string{`x.yaml:1: "comet.group" is not a setting; remove it, or use one of data, dev, drain, drain_delay, ops, ops_tls_cert, ops_tls_key, insecure_ops, insecure_public, insecure_rpc, rpc, log, tracing, coordination, store, messages, comet, tokens, message, web, moving`}},
		"out of range": {
			"messages:\n  newest: -1\n  max_bytes: 1MiB\n  default_ttl: 0s\ncomet:\n  heartbeat: 2h\n",
			[]string{
				"x.yaml:2: messages.newest: -1 is out of range; it must be 0 to 1000000000",
				"x.yaml:3: messages.max_bytes: 1MiB is out of range; it must be 64 to 256KiB",
				"x.yaml:4: messages.default_ttl: 0s is out of range; it must be 1s to 49710d",
				"x.yaml:6: comet.heartbeat: 2h is out of range; it must be 1s to 1h",
			},
		},
		"wrong types": {
			"drain: 10\ndev: 1\nmessages:\n  newest: many\n  max_bytes: 64KB\nweb:\n  public: [a]\n  admin: {a: b}\n  cors_origins: a\ncomet:\n  max_per_key: 1.5\n  max_connections: 0x10\n  origins: [1]\n  tcp: !!str a\n",
			[]string{
				"x.yaml:1: drain: it must be a time with its unit, such as 30s, 5m, 12h or 30d",
				"x.yaml:2: dev: it must be true or false, without quotes",
				"x.yaml:4: messages.newest: it must be a whole number from 0 to 1000000000, without quotes",
				`x.yaml:5: messages.max_bytes: "64KB" is not a size; write bytes, or a number with KiB or MiB, such as 64KiB`,
				"x.yaml:7: web.public: it must be text; put it in quotes",
				"x.yaml:8: web.admin: it must be text; put it in quotes",
				`x.yaml:9: web.cors_origins: it must be a list, such as ["a", "b"]`,
				"x.yaml:11: comet.max_per_key: it must be a whole number from 1 to 100000, without quotes",
				`x.yaml:12: comet.max_connections: "0x10" is not a whole number from 1 to 10000000`,
				"x.yaml:13: comet.origins: each item of the list must be text; put it in quotes",
				"x.yaml:14: comet.tcp: it must be text; put it in quotes",
			},
		},
		"no value":        {"data:\n", []string{"x.yaml:1: data: it has no value; give one or remove the line"}},
		"empty value":     {`data: ""`, []string{"x.yaml:1: data: it is empty; give a value or remove the line"}},
		"twice":           {"dev: true\nlog:\n  level: info\n  level: warn\ndev: false\n", []string{"x.yaml:4: log.level: it is already set in line 3; remove one of them", "x.yaml:5: dev: it is already set in line 1; remove one of them"}},
		"section twice":   {"log:\n  level: info\nlog:\n  format: text\n", []string{"x.yaml:3: log: it is already set in line 1; remove one of them"}},
		"two documents":   {"dev: true\n---\ndev: false\n", []string{"x.yaml:3: the file has a second document; keep all settings in one, without ---"}},
		"a list":          {"- dev\n", []string{"x.yaml:1: it must hold settings, each as a line of the form name: value"}},
		"words":           {"level", []string{`x.yaml:1: it must hold settings, each as a line of the form name: value`}},
		"bad word":        {"log:\n  level: loud\n", []string{`x.yaml:2: log.level: "loud" is not known; write one of debug, info, warn, error`}},
		"shares":          {"tracing:\n  sample: 1.5\n", []string{"x.yaml:2: tracing.sample: 1.5 is out of range; it must be 0 to 1"}},
		"secret":          {"tracing:\n  endpoint: http://a:b@c:1\n  sample: \"0.5\"\n", []string{`x.yaml:2: tracing.endpoint: "http://a:xxxxx@c:1" holds more than scheme, host and path; credentials come from OTEL_EXPORTER_OTLP_HEADERS`, "x.yaml:3: tracing.sample: it must be a number from 0 to 1, without quotes"}},
		"control":         {`data: "a\tb"`, []string{`x.yaml:1: data: "a\tb" holds a control character; remove it`}},
		"rpc in the open": {"comet:\n  rpc: 10.0.0.1:6970\n", []string{`x.yaml:2: comet.rpc: "10.0.0.1:6970" is not a loopback address, and the roles talk to each other without encryption; use 127.0.0.1, set rpc.tls_cert, or insecure_rpc: true in a network of their own`}},
		"open admin":      {"dev: true\nweb:\n  admin: 0.0.0.0:8091\n", []string{`x.yaml:1: dev: it opens the admin API without a token, so web.admin must be a loopback address, and "0.0.0.0:8091" is none; turn dev off or use 127.0.0.1`}},
		"nothing to advertise": {
			"insecure_public: true\ncomet:\n  http: :80\n  tcp: \"[::1]:81\"\n",
			[]string{
				`x.yaml:3: comet.http: clients cannot be told to connect to ":80"; set comet.advertise_http to the host:port under which they reach this machine`,
				`x.yaml:4: comet.tcp: clients cannot be told to connect to "[::1]:81"; set comet.advertise_tcp to the host:port under which they reach this machine`,
			},
		},
		"too large": {strings.Repeat("#\n", maxFile), []string{"x.yaml: the file has more than 262144 bytes; settings are smaller"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Parse("x.yaml", []byte(tt.text))
			if err == nil {
				t.Fatal("no problem")
			}
			if diff := cmp.Diff(strings.Join(tt.want, "\n"), err.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestSyntax: what is not YAML is one problem with a line; its words are the
// parser's.
func TestSyntax(t *testing.T) {
	for text, line := range map[string]int{
		"data: [\n":              1,
		"log:\n  level: \"info":  2,
		"a: b: c\n":              1,
		"data: x\n\tdev: true\n": 2,
		"dev: true\ndata: 'a\n":  2,
	} {
		_, err := Parse("x.yaml", []byte(text))
		found, ok := errors.AsType[Problems](err)
		if !ok || len(found) != 1 || found[0].Line != line || !strings.HasPrefix(found[0].What, "this is not YAML: ") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gopush.yaml")
	load := func(path string) (Serve, error) {
		d := NewDraft()
		d.File(path)
		return d.Serve()
	}
	if _, err := load(path); err == nil || err.Error() != path+": the settings cannot be read: no such file or directory" {
		t.Errorf("a missing file: %v", err)
	}
	if err := os.WriteFile(path, []byte("dev: true\nx: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := load(path); err == nil || !strings.HasPrefix(err.Error(), path+":2: ") {
		t.Errorf("a file with a problem: %v", err)
	}
	if err := os.WriteFile(path, []byte("dev: true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := load(path); err != nil || !s.Dev {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := load(filepath.Dir(path)); err == nil {
		t.Error("a folder passes as a file")
	}
}

// FuzzParse: whatever passes is valid, and survives being printed and read.
func FuzzParse(f *testing.F) {
	f.Add([]byte(printed(f, NewDraft())))
	for _, text := range []string{
		"", "dev: true", "data: \"a\\u00e9\\U0001F600\\xe9\"", "comet: {http: \"[::1]:1\", origins: [a, b]}", "data: |\n  a\n  b\n",
		"a: &x 1\nb: *x\n", "<<: {dev: true}", "? dev\n: true", "? [a]\n: b", "dev: !!bool true", "{", "- - - -", "---\n---\n...", "%YAML 1.2\n---\n",
		"log:\n\tlevel: info", "messages:\n  newest: 1_0", "messages:\n  max_bytes: 1 KiB", "drain: 9223372036854775807d", "\xff\xfe", "dev: True", "data: @x",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d := NewDraft()
		d.Bytes("x.yaml", b)
		s, err := d.Serve()
		if err != nil {
			if found, ok := errors.AsType[Problems](err); !ok || len(found) == 0 {
				t.Errorf("an error without problems: %v", err)
			}
			return
		}
		if err := s.Validate(); err != nil {
			t.Errorf("it passed, yet: %v", err)
		}
		out := printed(t, d)
		again, err := Parse("x.yaml", []byte(out))
		if err != nil {
			t.Fatalf("what was printed does not parse: %v\n%s", err, out)
		}
		if diff := cmp.Diff(s.flat(), again.flat()); diff != "" {
			t.Error(diff)
		}
	})
}

// flat shows every setting as it is printed; unlike the struct it does not tell
// an empty list from none.
func (s *Serve) flat() map[string]string {
	all := make(map[string]string)
	for _, f := range s.fields() {
		all[f.path] = f.value.yaml()
	}
	return all
}
