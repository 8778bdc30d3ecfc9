package zk

import (
	"encoding/json"
	"flag"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gopush/internal/coord"
	"gopush/internal/kept"
	"gopush/internal/push"
)

var update = flag.Bool("update", false, "add what is written now to the records that are kept")

// TestRecords: what is kept is read as it was written, and looks as documented. So is what
// earlier versions have written.
func TestRecords(t *testing.T) {
	m := coord.Member{Group: "node1", Weight: 2, RPC: "a:1", Public: coord.Public{WS: "a:2", TCP: "a:3"}}
	tenure := coord.Tenure{Epoch: 3, Owner: "node1.x", Member: m, Floor: 17957826432757312, Confirmed: 4, Cover: 9 * time.Second}
	ring := coord.Ring{
		Version: 4, Places: []coord.Place{{Group: "node1", Weight: 1, Floor: 32}}, Last: 5,
		Next: 5, NextPlaces: []coord.Place{{Group: "node1", Weight: 1}, {Group: "node2", Weight: 3}}, Removed: []string{"node3"},
	}
	for name, tt := range map[string]struct {
		text  string
		want  any
		read  func(b []byte) (any, error)
		write func(record any) []byte
	}{
		"candidate": {
			`{"format":1,"id":"node1.x","member":{"group":"node1","weight":2,"rpc":"a:1","ws":"a:2","tcp":"a:3"},"asked":true}`,
			coord.Candidate{ID: "node1.x", Name: "node1.x-0000000012", Seq: 12, Member: m, Asked: true},
			func(b []byte) (any, error) { return decodeCandidate("node1.x-0000000012", b) },
			writing(func(c coord.Candidate) []byte { return encodeCandidate(c.ID, c.Member, c.Asked) }),
		},
		"term": {
			`{"format":1,"epoch":3,"owner":"node1.x","member":{"group":"node1","weight":2,"rpc":"a:1","ws":"a:2","tcp":"a:3"},"floor":17957826432757312,"confirmed":4,"cover_ms":9000}`,
			tenure, func(b []byte) (any, error) { return decodeTenure(b) }, writing(encodeTenure),
		},
		"ceiling": {
			`{"format":1,"ceiling":17957826432757312}`,
			push.ID(17957826432757312), func(b []byte) (any, error) { return decodeCeiling(b) }, writing(encodeCeiling),
		},
		"ring": {
			`{"format":1,"version":4,"places":[{"group":"node1","weight":1,"floor":32}],"next":5,"next_places":[{"group":"node1","weight":1},{"group":"node2","weight":3}],"last":5,"removed":["node3"]}`,
			ring, func(b []byte) (any, error) { return decodeRing(b) }, writing(encodeRing),
		},
		"message": {
			`{"format":1,"rpc":"m:1"}`,
			"m:1", func(b []byte) (any, error) { return decodeMessage(b) }, writing(encodeMessage),
		},
	} {
		if diff := cmp.Diff(tt.text, string(tt.write(tt.want))); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		// The meaning is the record as it is written again: a field that is added later is left
		// out where it has its zero value.
		kept.Check(t, "testdata/kept", name, *update, kept.Sample{Bytes: kept.Lines(tt.text), Means: kept.Lines(tt.text)}, func(bytes string) (string, error) {
			got, err := tt.read([]byte(bytes))
			if err != nil {
				return "", err
			}
			return kept.Lines(string(tt.write(got))), nil
		})
		got, err := tt.read([]byte(tt.text))
		if diff := cmp.Diff(tt.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
		later := []byte(`{"format":1,"of a later version":1,` + tt.text[len(`{"format":1,`):])
		if got, err := tt.read(later); err != nil || !cmp.Equal(tt.want, got) {
			t.Errorf("%s with a field of a later version: %v", name, err)
		}
		for _, bad := range []string{"", "null", "[]", "{}", `{"format":2}`, tt.text[:len(tt.text)-1]} {
			if _, err := tt.read([]byte(bad)); err == nil {
				t.Errorf("%s: %q passes", name, bad)
			}
		}
	}
}

// TestRecordsOfOlderVersions: what an older version wrote is of a node that speaks plain
// text, and what is written of such a node now is what the older version wrote. It reads
// that of a node with TLS too, as it ignores what it does not know.
//
// Broken once by writing the new fields always.
func TestRecordsOfOlderVersions(t *testing.T) {
	const old = `{"format":1,"id":"node1.x","member":{"group":"node1","weight":2,"rpc":"a:1","ws":"a:2","tcp":"a:3"}}`
	plain := coord.Member{Group: "node1", Weight: 2, RPC: "a:1", Public: coord.Public{WS: "a:2", TCP: "a:3"}}
	if c, err := decodeCandidate("node1.x-0000000012", []byte(old)); err != nil || c.Member != plain {
		t.Errorf("%+v, %v", c, err)
	}
	if got := string(encodeCandidate("node1.x", plain, false)); got != old {
		t.Error(got)
	}
	secure := plain
	secure.Public.TLS, secure.Public.TCPTLS = true, true
	written := encodeCandidate("node1.x", secure, false)
	if c, err := decodeCandidate("node1.x-0000000012", written); err != nil || c.Member != secure {
		t.Errorf("%+v, %v", c, err)
	}
	// The records of the version before TLS, and how it read them.
	var older struct {
		Format int    `json:"format"`
		ID     string `json:"id"`
		Member struct {
			Group  string `json:"group"`
			Weight int    `json:"weight"`
			RPC    string `json:"rpc"`
			WS     string `json:"ws,omitempty"`
			TCP    string `json:"tcp,omitempty"`
		} `json:"member"`
		Asked bool `json:"asked,omitempty"`
	}
	if err := json.Unmarshal(written, &older); err != nil || older.Format != 1 || older.Member.Group != "node1" || older.Member.Weight != 2 ||
		older.Member.RPC != "a:1" || older.Member.WS != "a:2" || older.Member.TCP != "a:3" {
		t.Errorf("an older version reads %+v, %v", older, err)
	}
}

// writing is encode for records of its type; of another one it makes nothing.
func writing[T any](encode func(T) []byte) func(any) []byte {
	return func(record any) []byte {
		if r, ok := record.(T); ok {
			return encode(r)
		}
		return nil
	}
}

// FuzzRecords: whatever somebody writes there, nothing panics, and a member that
// passes can be put into a ring.
func FuzzRecords(f *testing.F) {
	f.Add("node1.x-0000000012", encodeCandidate("node1.x", coord.Member{Group: "node1", Weight: 1}, false))
	f.Add("-", encodeTenure(coord.Tenure{Epoch: 1, Member: coord.Member{Group: "node1", Weight: 1}}))
	f.Add("", encodeRing(coord.Ring{Places: []coord.Place{{Group: "node1", Weight: 1}}}))
	f.Add("9", encodeCeiling(push.MaxID))
	f.Fuzz(func(t *testing.T, name string, b []byte) {
		if c, err := decodeCandidate(name, b); err == nil && c.Member.Validate() != nil {
			t.Errorf("%q passes", b)
		}
		if tenure, err := decodeTenure(b); err == nil && tenure.Member.Validate() != nil {
			t.Errorf("%q passes", b)
		}
		_, _ = decodeRing(b)
		_, _ = decodeCeiling(b)
		_, _ = decodeMessage(b)
	})
}

func TestPaths(t *testing.T) {
	p := paths("/a/b")
	if diff := cmp.Diff([]string{"/a", "/a/b", "/a/b/comets", "/a/b/terms", "/a/b/ceilings", "/a/b/messages"}, p.folders()); diff != "" {
		t.Error(diff)
	}
	for path, want := range map[string]piece{
		p.comets(): {kind: pieceComets}, p.comet("x"): {kind: pieceComets, name: "x"}, p.ring(): {kind: pieceRing},
		p.terms(): {kind: pieceTerms}, p.term("g"): {kind: pieceTerm, name: "g"}, p.messages(): {kind: pieceMessages},
		"/a": {}, "/a/b": {}, p.ceiling("g"): {}, "/elsewhere/ring": {},
	} {
		if got := p.piece(path); got != want {
			t.Errorf("%s is %+v, want %+v", path, got, want)
		}
	}
}

func TestConfig(t *testing.T) {
	good := func() Config { return Config{Servers: []string{"a:2181"}} }
	cfg := good()
	if err := cfg.Validate(); err != nil || cfg.Root != "/gopush" || cfg.Session != 4*time.Second {
		t.Errorf("%+v, %v", cfg, err)
	}
	for name, harm := range map[string]func(*Config){
		"no server":       func(c *Config) { c.Servers = nil },
		"no port":         func(c *Config) { c.Servers = []string{"a"} },
		"relative root":   func(c *Config) { c.Root = "gopush" },
		"the very root":   func(c *Config) { c.Root = "/" },
		"empty part":      func(c *Config) { c.Root = "/a//b" },
		"short session":   func(c *Config) { c.Session = time.Millisecond },
		"no password":     func(c *Config) { c.User = "u" },
		"colon in a user": func(c *Config) { c.User, c.Password = "u:v", "p" },
		"machine":         func(c *Config) { c.Machine.Lease = -1 },
	} {
		cfg := good()
		harm(&cfg)
		if err := cfg.Validate(); err == nil {
			t.Errorf("%s passes", name)
		}
	}
}
