package web

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gopush/internal/push"
)

// bearers are tokens by their text, in place of real ones.
type bearers map[string]push.Grant

func (b bearers) Verify(token string, now time.Time) (push.Grant, error) {
	g, ok := b[token]
	switch {
	case !ok:
		return g, push.E(push.KindUnauthenticated, "the token is not valid")
	case !now.Before(g.Expires):
		return g, push.E(push.KindTokenExpired, "the token has expired")
	}
	return g, nil
}

func (bearers) Mint(push.Grant, time.Time) (string, push.Grant, error) {
	return "", push.Grant{}, push.E(push.KindConflict, "none are made")
}

func (bearers) Revoke(r push.Revocation, _ time.Time) (*push.Push, push.Revocation, error) {
	return nil, r, nil
}

func (bearers) Learn(...push.Revocation) {}

// requiring is a server whose clients need tokens.
func requiring(t *testing.T, c *cluster) *Server {
	t.Helper()
	hour := testNow.Add(time.Hour)
	s, err := New(Config{Admins: testAdmins, TokensRequired: true}, Deps{
		Directory: c, Admin: c, Comet: c.comet, Messages: c, Log: discard(), Now: func() time.Time { return testNow },
		Tokens: bearers{
			"right":   {Keys: []push.Key{"stored"}, Public: true, Expires: hour},
			"private": {Keys: []push.Key{"stored"}, Expires: hour},
			"other":   {Keys: []push.Key{"b"}, Public: true, Expires: hour},
			"expired": {Keys: []push.Key{"stored"}, Public: true, Expires: testNow},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// reads are the ways to read stored messages, without a token, and where each takes one.
var reads = map[string][]string{
	"/v2/messages?key=%s":               {"header"},
	"/v2/messages?key=%s&after=17":      {"header"},
	"/1/msg/get?m=0&k=%s":               {"header", "t"},
	"/1/msg/get?m=0&cb=f&k=%s":          {"header", "t"},
	"/msg/get?mid=0&key=%s":             {"header", "token"},
	"/msg/get?mid=17&callback=f&key=%s": {"header", "token"},
}

// read asks with a token at one of the places; what tells requests apart is left out.
func readWith(s *Server, target, place, token string) string {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	if place == "header" {
		r.Header.Set("Authorization", "Bearer "+token)
	} else {
		r = httptest.NewRequest(http.MethodGet, target+"&"+place+"="+token, nil)
	}
	r.Header.Set(requestIDHeader, "same")
	w := httptest.NewRecorder()
	s.Public().ServeHTTP(w, r)
	return fmt.Sprint(w.Code, w.Header(), w.Body)
}

// TestEnumeration: whoever has no token for a key learns nothing of it: to a key with messages and
// to one that nobody has heard of the answer is the same to the byte, in each protocol, and nothing
// is read for it. With the right token the messages are there.
//
// Broken once by reading before the token is checked, for each protocol, and once by not asking for
// a token on /msg/get.
func TestEnumeration(t *testing.T) {
	c := newCluster(t, "node1")
	s := requiring(t, c)
	c.mu.Lock()
	st := c.stream("stored")
	st.messages = append(st.messages, push.Message{ID: 32, Body: []byte(`"s3cret-body"`), ExpiresAt: testNow.Add(time.Hour).UnixMilli()})
	c.mu.Unlock()
	for target, places := range reads {
		for _, place := range places {
			for _, token := range []string{"", "guess", "other", "expired"} {
				first := readWith(s, fmt.Sprintf(target, "stored"), place, token)
				for _, key := range []string{"unknown", "sch%C3%B6n"} {
					if got := readWith(s, fmt.Sprintf(target, key), place, token); got != first {
						t.Errorf("%s, %s %q: %s for %s, %s otherwise", target, place, token, got, key, first)
					}
				}
				if strings.Contains(first, "s3cret-body") || !strings.Contains(first, "401") && !strings.Contains(first, "403") && !strings.Contains(first, `"ret":65534`) {
					t.Errorf("%s, %s %q: %s", target, place, token, first)
				}
			}
			if c.reads != 0 {
				t.Fatalf("%s: the store was asked for a key without a token", target)
			}
			if got := readWith(s, fmt.Sprintf(target, "stored"), place, "right"); !strings.Contains(got, "s3cret-body") || c.reads == 0 {
				t.Errorf("%s, %s: with the right token: %s", target, place, got)
			}
			c.reads = 0
		}
	}
}

// TestPublicNeedsItsOwnRight: a token that is not for public messages reads none, in any protocol,
// and reads its own; protocol v1 without a version, whose replies always have both lists, has none
// in the second.
//
// Broken once by looking at the token's keys alone.
func TestPublicNeedsItsOwnRight(t *testing.T) {
	c := newCluster(t, "node1")
	s := requiring(t, c)
	c.mu.Lock()
	st := c.stream(push.PublicKey)
	st.messages = append(st.messages, push.Message{ID: 48, Body: []byte(`"to all"`), ExpiresAt: testNow.Add(time.Hour).UnixMilli()})
	c.mu.Unlock()
	for target, public := range map[string]string{
		"/v2/messages?key=stored": "&public_after=0", "/1/msg/get?m=0&k=stored": "&pm=0", "/msg/get?mid=0&key=stored": "&pmid=0",
	} {
		if got := readWith(s, target+public, "header", "private"); strings.Contains(got, "to all") || !strings.Contains(got, "403") && !strings.Contains(got, `"ret":65534`) {
			t.Errorf("%s: %s", target+public, got)
		}
		if got := readWith(s, target, "header", "private"); strings.Contains(got, "to all") || strings.Contains(got, "403") || strings.Contains(got, `"ret":65534`) {
			t.Errorf("%s: %s", target, got)
		}
		if got := readWith(s, target+public, "header", "right"); !strings.Contains(got, "to all") {
			t.Errorf("%s with the right: %s", target+public, got)
		}
	}
}
