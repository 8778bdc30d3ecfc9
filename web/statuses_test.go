package web

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gopush/internal/apitest"
	"gopush/internal/push"
)

// ask is a request to an operation, without the token.
type ask struct {
	target, body string
	header       []string // names and values in turn
}

// sound are requests that work in a cluster that is well, by operation. There has to be
// one for each of the document.
var sound = map[string]ask{
	"getNode":        {target: "/v2/node?key=K"},
	"getTime":        {target: "/v2/time"},
	"getMessages":    {target: "/v2/messages?key=K&public_after=0"},
	"postMessage":    {target: "/v2/messages", body: `{"key":"K","data":1}`},
	"deleteMessages": {target: "/v2/messages?key=gone"},
	"getMessage":     {target: "/v2/messages/17953750178989536?key=K"},
	"recallMessage":  {target: "/v2/messages/17953750178989536?key=K"},
	"postBatch":      {target: "/v2/messages/batch", body: `{"key":"K","data":1}` + "\n{\n"},
	"postBroadcast":  {target: "/v2/broadcast", body: `{"data":1}`},
	"getKey":         {target: "/v2/keys/K"},
	"getTop":         {target: "/v2/top"},
	"getNodes":       {target: "/v2/nodes"},
	"getMoving":      {target: "/v2/moving"},
	"mintToken":      {target: "/v2/tokens", body: `{"key":"K"}`},
	"revokeToken":    {target: "/v2/tokens/t-1"},
	"postDrain":      {target: "/v2/nodes/node1/drain"},
	"deleteGroup":    {target: "/v2/nodes/node2"},
	"v1ServerGet":    {target: "/1/server/get?k=K&p=1"},
	"v1ServerList":   {target: "/2/server/get?k=K&p=2&cb=f"},
	"v1MsgGet":       {target: "/1/msg/get?k=K&m=0&pm=0&cb=f"},
	"v1TimeGet":      {target: "/1/time/get"},
	"v0ServerGet":    {target: "/server/get?key=K&proto=1&callback=f"},
	"v0MsgGet":       {target: "/msg/get?key=K&mid=0"},
	"v0TimeGet":      {target: "/time/get"},
	"v1PushPrivate":  {target: "/1/admin/push/private?key=K&expire=600", body: `1`},
	"v1PushAlias":    {target: "/admin/push?key=K&expire=600", body: `1`},
	"v1PushPublic":   {target: "/1/admin/push/public?expire=600", body: `1`},
	"v1PushMany":     {target: "/1/admin/push/mprivate?expire=600", body: `{"m":"1","k":"K,k2"}`},
	"v1Delete":       {target: "/1/admin/msg/del", body: `key=gone`},
	"v1DeleteAlias":  {target: "/admin/msg/clean", body: `key=gone`},
}

// wrong are requests that their own fault fails.
var wrong = map[string][]ask{
	"getNode":        {{target: "/v2/node"}, {target: "/v2/node?key=a&key=b"}},
	"getMessages":    {{target: "/v2/messages?key=K&after=x"}},
	"postMessage":    {{target: "/v2/messages", body: `{`}, {target: "/v2/messages", body: `{"key":"K","data":2}`, header: []string{idempotencyHeader, "known"}}},
	"deleteMessages": {{target: "/v2/messages?public=2"}},
	"getMessage":     {{target: "/v2/messages/0?key=K"}, {target: "/v2/messages/16?key=K"}},
	"recallMessage":  {{target: "/v2/messages/x?key=K"}, {target: "/v2/messages/16?key=K"}},
	"postBatch":      {{target: "/v2/messages/batch", header: []string{"Content-Type", "text/plain"}}},
	"postBroadcast":  {{target: "/v2/broadcast", body: `{"key":"K","data":1}`}, {target: "/v2/broadcast", body: `{"data":2}`, header: []string{idempotencyHeader, "known"}}},
	"getKey":         {{target: "/v2/keys/%00"}},
	"getTop":         {{target: "/v2/top?limit=x"}},
	"mintToken":      {{target: "/v2/tokens", body: `{"key":"K","ttl_s":0}`}},
	"revokeToken":    {{target: "/v2/tokens/t-1?expires_at=x"}},
	"postDrain":      {{target: "/v2/nodes/node1/drain?force=%f"}, {target: "/v2/nodes/nobody/drain"}, {target: "/v2/nodes/node3/drain"}},
	"deleteGroup":    {{target: "/v2/nodes/nobody"}, {target: "/v2/nodes/node1"}},
	"v1ServerGet":    {{target: "/1/server/get?k=K&p=3"}},
	"v1ServerList":   {{target: "/2/server/get?p=1"}},
	"v1MsgGet":       {{target: "/1/msg/get?k=K&m=x"}},
	"v1TimeGet":      {{target: "/1/time/get?cb=1"}},
	"v0ServerGet":    {{target: "/server/get?key=K"}},
	"v0MsgGet":       {{target: "/msg/get?key=K"}},
	"v0TimeGet":      {{target: "/time/get?callback=%3C"}},
	"v1PushPrivate":  {{target: "/1/admin/push/private?key=K"}},
	"v1PushAlias":    {{target: "/admin/push?key=K"}},
	"v1PushPublic":   {{target: "/1/admin/push/public"}},
	"v1PushMany":     {{target: "/1/admin/push/mprivate?expire=600", body: `{"m":"1","k":","}`}, {target: "/1/admin/push/mprivate?expire=600", body: `{"m":"{","k":"K"}`}},
	"v1Delete":       {{target: "/1/admin/msg/del", body: `key=%f`}},
	"v1DeleteAlias":  {{target: "/admin/msg/clean"}},
}

// world is a cluster in some state, with a node before it.
type world struct {
	name string
	deps func(t *testing.T) Deps
	edit func(*Config)
	host string // what requests call the node; empty: this host
	// moving is where keys are that are moved; nil: none are
	moving func(t *testing.T) Moving
	token  string // empty: the operator's
	full   bool   // each request is the first of a connection that there is no room for
	asks   map[string][]ask
}

// withOld is a ring of one node, whose keys are held where no old ones are named.
func withOld(start func(*testing.T) *oldWeb, old ...string) func(*testing.T) Moving {
	return func(t *testing.T) Moving {
		url := start(t).URL
		m := Moving{Ring: []string{"node1"}, Old: old, Public: url, Admin: url}
		if len(old) == 0 {
			m.Held = []string{"node1"}
		}
		return m
	}
}

// noOldWeb is where nobody listens.
func noOldWeb(*testing.T) *oldWeb {
	return &oldWeb{Server: &httptest.Server{URL: "http://127.0.0.1:1"}}
}

// each is what asks all operations for something that works, n times.
func each(n int) map[string][]ask {
	all := make(map[string][]ask)
	for id, a := range sound {
		all[id] = slices.Repeat([]ask{a}, n)
	}
	return all
}

// healthy has a group with an alternate, one without nodes and one without an alternate.
func healthy(t *testing.T) Deps {
	c := newCluster(t, "node1", "node2", "node3")
	c.standby("node1")
	c.edit("node2", gone)
	c.view.Ring = newCluster(t, "node1").view.Ring // it owns every key
	c.put("K", `1`)
	c.put(push.PublicKey, `1`)
	for _, key := range []push.Key{"K", push.PublicKey} {
		c.stream(key).known["known"] = push.Message{ID: 17953750178989536, Body: []byte("1")}
	}
	return Deps{Directory: c, Admin: c, Comet: c.comet, Messages: c, Tokens: minter{}}
}

// over is a cluster whose nodes fail whatever they are asked.
func over(fail failing) func(*testing.T) Deps {
	return func(t *testing.T) Deps {
		d := healthy(t)
		d.Comet, d.Messages, d.Admin = func(string) Comet { return fail }, failingMessages{fail}, fail
		d.Tokens = minter{push.E(push.KindInternal, "it cannot sign")}
		return d
	}
}

// worlds are all that make an answer differ.
func worlds() []world {
	quick := func(c *Config) {
		c.Limits.PushTimeout, c.QueryTimeout, c.TimeTimeout = 20*time.Millisecond, 20*time.Millisecond, 20*time.Millisecond
	}
	all := []world{
		{name: "all is well", deps: healthy, asks: each(1)},
		{name: "a repetition", deps: healthy, asks: map[string][]ask{
			"postMessage":   {{target: "/v2/messages", body: `{"key":"K","data":1,"idempotency_key":"known"}`}},
			"postBroadcast": {{target: "/v2/broadcast", body: `{"data":1,"idempotency_key":"known"}`}},
		}},
		{name: "keys that are hard to write", deps: healthy, asks: map[string][]ask{
			"getKey": {{target: "/v2/keys/%2F"}, {target: "/v2/keys/%2E%2E"}, {target: "/v2/keys/a%2Fb"}, {target: "/v2/keys/%00%2f"}},
		}},
		{name: "wrong requests", deps: healthy, asks: wrong},
		{name: "no admin token", deps: healthy, token: "x", asks: each(1)},
		{name: "a viewer", deps: healthy, token: "viewer", asks: each(1)},
		{name: "development, under a foreign name", deps: healthy, host: "evil.example", asks: each(1), edit: func(c *Config) { c.Admins, c.DevLoopback = nil, true }},
		{name: "clients need tokens, and have none", deps: healthy, token: "x", asks: each(1), edit: func(c *Config) { c.TokensRequired = true }},
		{name: "clients need tokens, of their keys", deps: healthy, token: "other", asks: each(1), edit: func(c *Config) { c.TokensRequired = true }},
		{name: "one read a second", deps: healthy, asks: each(2), edit: func(c *Config) { c.Limits.ReadsPerAddress = 1 }},
		{name: "no room", deps: healthy, full: true, asks: each(1)},
		{name: "one push a second", deps: healthy, asks: each(2), edit: func(c *Config) { c.Limits.PushesPerSecond = 1 }},
		{name: "one byte a body", deps: healthy, edit: func(c *Config) { c.Limits.MaxBody = 1 }, asks: map[string][]ask{
			"postMessage": {sound["postMessage"]}, "postBroadcast": {sound["postBroadcast"]}, "mintToken": {sound["mintToken"]}, "postBatch": {sound["postBatch"]},
			"v1PushPrivate": {{target: "/1/admin/push/private?key=K&expire=600", body: `11`}}, "v1PushAlias": {{target: "/admin/push?key=K&expire=600", body: `11`}},
			"v1PushPublic": {{target: "/1/admin/push/public?expire=600", body: `11`}}, "v1PushMany": {sound["v1PushMany"]},
			"v1Delete": {sound["v1Delete"]}, "v1DeleteAlias": {sound["v1DeleteAlias"]},
		}},
		{name: "no keys to sign with", asks: map[string][]ask{"mintToken": {sound["mintToken"]}, "revokeToken": {sound["revokeToken"]}}, deps: func(t *testing.T) Deps {
			d := healthy(t)
			d.Tokens = nil
			return d
		}},
		{name: "no groups", asks: each(1), edit: quick, deps: func(t *testing.T) Deps {
			c := newCluster(t)
			return Deps{Directory: c, Admin: c, Comet: c.comet, Messages: c}
		}},
		{name: "all keys are with the old system", deps: healthy, moving: withOld(startOldWeb, "node1"), asks: each(1)},
		{name: "the old system is away", deps: healthy, moving: withOld(noOldWeb, "node1"), asks: each(1)},
		{name: "all keys are held", deps: healthy, moving: withOld(noOldWeb), asks: each(1)},
		{name: "the nodes hang", deps: over(failing{}), edit: quick, asks: each(1)},
	}
	for _, kind := range []push.Kind{
		push.KindBusy, push.KindNoNode, push.KindStoreUnavailable, push.KindMoving, push.KindWrongNode, push.KindFenced, push.KindOutcomeUnknown, push.KindInternal,
	} {
		all = append(all, world{name: "the nodes say " + string(kind), deps: over(failing{push.E(kind, "so it is")}), edit: quick, asks: each(1)})
	}
	return all
}

// TestEveryDocumentedStatus provokes every status, and of v1 every ret, that the document
// has for an operation. Whatever is answered and is not in there fails as well.
func TestEveryDocumentedStatus(t *testing.T) {
	doc := apitest.Load(t)
	seen := apitest.NewCoverage(doc)
	t.Run("worlds", func(t *testing.T) {
		for _, w := range worlds() {
			t.Run(w.name, func(t *testing.T) {
				t.Parallel() // most of what they do is wait
				w.play(t, doc, seen)
			})
		}
		t.Run("a broken body", func(t *testing.T) { t.Parallel(); brokenBody(t, seen) })
		t.Run("no operation", func(t *testing.T) { t.Parallel(); noOperation(t, doc, seen) })
	})
	if missing := seen.Missing("public", "admin"); len(missing) > 0 {
		t.Errorf("documented, and never answered:\n%s", strings.Join(missing, "\n"))
	}
	codes := map[string]bool{}
	for _, code := range doc.API.Components.Schemas["Problem"].Value.Properties["code"].Value.Enum {
		codes[fmt.Sprint(code)] = true
	}
	if diff := cmp.Diff(codes, seen.Codes()); diff != "" {
		t.Errorf("codes (-documented +seen):\n%s", diff)
	}
	t.Logf("%d operations, %d statuses and rets", len(sound), seen.Count())
}

// play asks what the world has to be asked.
func (w *world) play(t *testing.T, doc *apitest.Document, seen *apitest.Coverage) {
	for _, o := range doc.Operations {
		asks, ok := w.asks[o.OperationID]
		if _, known := sound[o.OperationID]; o.Listener == "comet" || known && !ok {
			continue
		} else if !known {
			t.Fatalf("no request is known for %s, %s", o.OperationID, o)
		}
		s := w.server(t, seen) // of its own, so that no operation changes the world of another
		for _, a := range asks {
			w.do(s[o.Listener], o.Method, a)
		}
	}
}

func (w *world) server(t *testing.T, seen *apitest.Coverage) map[string]http.Handler {
	deps := w.deps(t)
	deps.Log = discard()
	s := newServerOver(t, deps, seen, func(c *Config) {
		c.Admins = append(slices.Clone(testAdmins), NewAdmin("bob", Viewer, "viewer"))
		c.StatusTimeout = 5 * time.Millisecond
		if w.edit != nil {
			w.edit(c)
		}
	})
	if w.moving != nil {
		t.Cleanup(s.old.CloseIdleConnections)
		s.SetMoving(w.moving(t))
	}
	return map[string]http.Handler{"public": s.Public(), "admin": s.Admin()}
}

func (w *world) do(h http.Handler, method string, a ask) {
	r := httptest.NewRequest(method, a.target, strings.NewReader(a.body))
	r.RemoteAddr = "127.0.0.1:5"
	if r.Host = w.host; r.Host == "" {
		r.Host = "localhost"
	}
	token := w.token
	if token == "" {
		token = testToken
	}
	r.Header.Set("Authorization", "Bearer "+token)
	for i := 0; i+1 < len(a.header); i += 2 {
		r.Header.Set(a.header[i], a.header[i+1])
	}
	if w.full {
		r = r.WithContext(context.WithValue(r.Context(), visitKey{}, &visit{reason: nodeFull}))
	}
	h.ServeHTTP(duplex{httptest.NewRecorder()}, r)
}

// duplex is a recorder that streams both ways, as a connection does.
type duplex struct{ *httptest.ResponseRecorder }

func (duplex) EnableFullDuplex() error { return nil }

// brokenBody has the server read chunks that are none: an error that only a connection makes.
func brokenBody(t *testing.T, seen *apitest.Coverage) {
	w := world{deps: healthy}
	for _, o := range apitest.Load(t).Operations {
		if o.Listener != "admin" || o.Method != http.MethodPost {
			continue
		}
		addr := strings.TrimPrefix(listen(t, &http.Server{Handler: w.server(t, seen)["admin"], ReadHeaderTimeout: time.Second}), "http://")
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		_, _ = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nTransfer-Encoding: chunked\r\n\r\nno chunk\r\n", sound[o.OperationID].target, testToken)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil || res.StatusCode >= 500 {
			t.Errorf("%s: %v, %v", o, res, err)
		} else {
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
		_ = conn.Close()
	}
}

// noOperation asks each path with every method, and paths that are none.
func noOperation(t *testing.T, doc *apitest.Document, seen *apitest.Coverage) {
	w := world{deps: healthy}
	paths := map[string]bool{"/": true, "/v2/": true, "/v2/nothing": true, "/nothing": true}
	for _, a := range sound {
		path, _, _ := strings.Cut(a.target, "?")
		maps.Copy(paths, map[string]bool{path: true, path + "/": true, "/" + path: true, "/x/.." + path: true})
	}
	s := w.server(t, seen)
	for path := range paths {
		for _, method := range []string{"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "QUERY"} {
			for listener, h := range s {
				if at := doc.At(listener, path); slices.ContainsFunc(at, func(o *apitest.Operation) bool { return o.Method == method }) {
					continue
				}
				w.do(h, method, ask{target: path})
			}
		}
	}
}

// failing is every node of a cluster; it fails, or without an error hangs.
type failing struct{ err *push.Error }

func (f failing) answer(ctx context.Context) error {
	if f.err != nil {
		return f.err
	}
	<-ctx.Done()
	return ctx.Err()
}

func (f failing) Push(ctx context.Context, _ push.Push, done func(push.Receipt, error)) {
	if f.err != nil {
		done(push.Receipt{}, f.err)
		return
	}
	context.AfterFunc(ctx, func() { done(push.Receipt{}, ctx.Err()) })
}

func (f failing) Recall(ctx context.Context, _ push.Key, _ push.ID) error { return f.answer(ctx) }
func (f failing) Delete(ctx context.Context, _ push.Key) error            { return f.answer(ctx) }
func (f failing) Drain(ctx context.Context, _ string) error               { return f.answer(ctx) }

// RemoveGroup never says that it may work later: coord.Admin waits for that.
func (f failing) RemoveGroup(ctx context.Context, _ string) error {
	if f.err != nil && f.err.Kind.Retryable() {
		return failing{}.answer(ctx)
	}
	return f.answer(ctx)
}

func (f failing) Describe(ctx context.Context, _ push.Key, _ push.ID) (push.KeyInfo, error) {
	return push.KeyInfo{}, f.answer(ctx)
}

func (f failing) Top(ctx context.Context, _ int) ([]push.BusyKey, error) { return nil, f.answer(ctx) }
func (f failing) Time(ctx context.Context) (push.ID, error)              { return 0, f.answer(ctx) }

func (f failing) Read(ctx context.Context, _ push.Key, _ push.Span) (push.Page, error) {
	return push.Page{}, f.answer(ctx)
}

func (f failing) Newest(ctx context.Context, _ push.Key) (push.ID, error) { return 0, f.answer(ctx) }

func (f failing) Status(ctx context.Context) (push.NodeStatus, error) {
	return push.NodeStatus{}, f.answer(ctx)
}

// failingMessages is the message nodes.
type failingMessages struct{ failing }

func (f failingMessages) Status(ctx context.Context, _ string) (push.NodeStatus, error) {
	return f.failing.Status(ctx)
}

// minter signs nothing and knows one token, of the key "other"; or it fails.
type minter struct{ err error }

func (minter) Verify(token string, _ time.Time) (push.Grant, error) {
	if token != "other" {
		return push.Grant{}, push.E(push.KindUnauthenticated, "no such token")
	}
	return push.Grant{Keys: []push.Key{"other"}}, nil
}

func (m minter) Mint(g push.Grant, now time.Time) (string, push.Grant, error) {
	g.Expires = now.Add(time.Hour)
	return "made", g, m.err
}

func (minter) Revoke(r push.Revocation, now time.Time) (*push.Push, push.Revocation, error) {
	r.Until = now.Add(time.Hour)
	return &push.Push{Key: push.RevokedKey, Body: []byte(`1`), ExpiresAt: r.Until.UnixMilli()}, r, nil
}

func (minter) Learn(...push.Revocation) {}
