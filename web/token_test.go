package web

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gopush/internal/push"
	"gopush/internal/token"
)

// withAuthority is an audited harness that requires tokens of a key of its own.
func withAuthority(t *testing.T) (*harness, *token.Authority, *lockedBuffer) {
	t.Helper()
	h, audit := audited(t, "node1", "node2")
	keys, err := token.ParseKeys("s HS256 " + strings.Repeat("ab", 32))
	if err != nil {
		t.Fatal(err)
	}
	a, err := token.New(token.Config{MaxLife: time.Hour}, keys)
	if err != nil {
		t.Fatal(err)
	}
	h.server.deps.Tokens, h.server.cfg.TokensRequired = a, true
	return h, a, audit
}

// A revocation is stored before it is answered, once, and holds on this node from then on;
// who did it is in the audit log.
//
// Broken once by answering before the push, once by storing a repetition, and once by not
// taking it in.
func TestRevokeToken(t *testing.T) {
	h, a, audit := withAuthority(t)
	text, _, err := a.Mint(push.Grant{Keys: []push.Key{"K"}, Expires: testNow.Add(time.Minute), ID: "t/1"}, testNow)
	if err != nil {
		t.Fatal(err)
	}
	read := func() answer {
		return h.do(t, "GET", h.public+"/v2/messages?key=K", "", map[string]string{"Authorization": "Bearer " + text})
	}
	if got := read(); got.status != 200 {
		t.Fatalf("%d %s", got.status, got.body)
	}
	h.refuse = func(string, push.Push) error { return push.E(push.KindStoreUnavailable, "away") }
	if got := h.call(t, "DELETE", "/v2/tokens/t%2F1", ""); got.status != 503 || len(h.stored(push.RevokedKey)) != 0 {
		t.Errorf("without a store: %d %s", got.status, got.body)
	}
	if got := read(); got.status != 200 {
		t.Errorf("what was not stored counts: %d", got.status)
	}
	lost := false
	h.refuse, h.lose = nil, func(push.Push) error {
		if lost {
			return nil
		}
		lost = true
		return push.E(push.KindOutcomeUnknown, "the answer was lost")
	}
	want := fmt.Sprintf(`{"id":"t/1","expires_at":%d}`+"\n", testNow.Add(time.Minute).UnixMilli())
	for range 3 {
		if got := h.call(t, "DELETE", fmt.Sprintf("/v2/tokens/t%%2F1?expires_at=%d", testNow.Add(time.Minute).UnixMilli()), ""); got.status != 200 || got.body != want {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
	if n := len(h.stored(push.RevokedKey)); n != 2 { // the one whose answer was lost, and its repetition
		t.Errorf("%d revocations are stored", n)
	}
	if got := read(); got.status != 401 || !strings.Contains(got.body, "was revoked") {
		t.Errorf("%d %s", got.status, got.body)
	}
	if line := "action=revoke_token id=t/1 expires="; strings.Count(audit.String(), line) != 4 {
		t.Errorf("no %q in %s", line, audit.String())
	}
	if got := h.call(t, "DELETE", "/v2/tokens/x", ""); got.status != 200 || !strings.Contains(got.body, fmt.Sprint(testNow.Add(time.Hour+10*time.Second).UnixMilli())) {
		t.Errorf("by default: %d %s", got.status, got.body)
	}
}

// What cannot be revoked is refused, with nothing of it in the audit log: it may be the token
// itself.
//
// Broken once by noting the name before it was checked.
func TestRevokeTokenRefuses(t *testing.T) {
	h, _, audit := withAuthority(t)
	secret := strings.Repeat("eyJh", 40)
	for target, want := range map[string]int{
		secret: 400, "a%20b": 400, "x?expires_at=soon": 400, "x?expires_at=1": 400, "x?expires_at=-1": 400, "x?expires_at=1&expires_at=2": 400,
	} {
		if got := h.call(t, "DELETE", "/v2/tokens/"+target, ""); got.status != want {
			t.Errorf("%.20s: %d %s", target, got.status, got.body)
		}
	}
	if strings.Contains(audit.String()+h.log.String(), secret) {
		t.Error("a log holds what may be a token")
	}
	if n := len(h.stored(push.RevokedKey)); n != 0 {
		t.Errorf("%d are stored", n)
	}
	h.server.deps.Tokens = nil
	if got := h.call(t, "DELETE", "/v2/tokens/x", ""); got.status != 409 {
		t.Errorf("without keys: %d %s", got.status, got.body)
	}
}

// unsure is an authority that does not know yet what is revoked.
type unsure struct{ Tokens }

func (unsure) Verify(string, time.Time) (push.Grant, error) {
	return push.Grant{}, push.E(push.KindStoreUnavailable, "not known yet")
}

// Until it is known which tokens are revoked, reading is to be tried again, on both
// protocols.
//
// Broken once by answering protocol v1 with a bad parameter.
func TestUnknownRevocations(t *testing.T) {
	h, a, _ := withAuthority(t)
	h.server.deps.Tokens = unsure{a}
	for target, want := range map[string]string{"/v2/messages?key=K": `"retryable":true`, "/1/msg/get?k=K&m=0&t=x": `"ret":65535`} {
		if got := h.do(t, "GET", h.public+target, "", nil); !strings.Contains(got.body, want) {
			t.Errorf("%s: %d %s", target, got.status, got.body)
		}
	}
}

// The streams of the roles' own cannot be named from outside: not to push, to read, to
// delete, nor for a token.
//
// Broken once by having push.ParseKey take them.
func TestReservedKeys(t *testing.T) {
	h, _, _ := withAuthority(t)
	h.server.cfg.TokensRequired = false
	for _, key := range []push.Key{push.PublicKey, push.RevokedKey} {
		inURL, inJSON := "%01"+string(key[1:]), `\u0001`+string(key[1:])
		for _, ask := range []struct{ method, target, body, want string }{
			{"POST", "/v2/messages", `{"key":"` + inJSON + `","data":1}`, "bad_key"},
			{"POST", "/1/admin/push/private?expire=60&key=" + inURL, `1`, `"ret":65534`},
			{"POST", "/1/admin/push/mprivate?expire=60", `{"m":"1","k":"` + inJSON + `"}`, `"fk"`},
			{"POST", "/1/admin/msg/del", "key=" + inURL, `"ret":65534`},
			{"DELETE", "/v2/messages?key=" + inURL, "", "bad_key"},
			{"DELETE", "/v2/messages/16?key=" + inURL, "", "bad_key"},
			{"GET", "/v2/messages/16?key=" + inURL, "", "bad_key"},
			{"GET", "/v2/keys/" + inURL, "", "bad_key"},
			{"POST", "/v2/tokens", `{"key":"` + inJSON + `"}`, "bad_key"},
		} {
			if got := h.call(t, ask.method, ask.target, ask.body, "Content-Type", "application/json"); !strings.Contains(got.body, ask.want) {
				t.Errorf("%s %s %s: %d %s", ask.method, ask.target, ask.body, got.status, got.body)
			}
		}
		for target, want := range map[string]string{"/v2/messages?key=": "bad_key", "/1/msg/get?m=0&k=": `"ret":65534`, "/v2/node?key=": "bad_key"} {
			if got := h.do(t, "GET", h.public+target+inURL, "", nil); !strings.Contains(got.body, want) {
				t.Errorf("%s: %d %s", target, got.status, got.body)
			}
		}
		batch := `{"key":"` + inJSON + `","data":1}` + "\n"
		if got := h.call(t, "POST", "/v2/messages/batch", batch, "Content-Type", "application/x-ndjson"); !strings.Contains(got.body, "bad_key") {
			t.Errorf("a batch: %d %s", got.status, got.body)
		}
		if n := len(h.stored(key)); n != 0 {
			t.Errorf("%d messages got into %q", n, key)
		}
	}
}

// Members of POST /v2/tokens count by their exact names, like those of a push.
//
// Broken once by decoding the body into a struct with encoding/json.
func TestTokenByExactNames(t *testing.T) {
	for body, want := range map[string]push.Grant{
		`{"key":"a","KEY":"b","Public":false,"ID":"x","id":"y"}`: {Keys: []push.Key{"a"}, Public: true, ID: "y"},
		` {"key":["a","b"],"public":null,"public":false,"x":{}}`: {Keys: []push.Key{"a", "b"}},
	} {
		got, err := parseToken([]byte(body), testNow)
		got.Expires = time.Time{}
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v %s", body, err, diff)
		}
	}
	for _, body := range []string{"", `[]`, `"key"`, `{"Key":"a"}`, `{"key":"a","ttl_s":"1"}`, `{"key":1}`} {
		if g, err := parseToken([]byte(body), testNow); err == nil {
			t.Errorf("%s gives %+v", body, g)
		}
	}
}
