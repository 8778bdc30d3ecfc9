package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gopush/internal/config"
	"gopush/internal/coord/zk/zktest"
	"gopush/internal/serve"
)

// tokensNeeded are settings with which clients need a token that the cluster signs.
func tokensNeeded(t *testing.T) func(*config.Serve) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(path, []byte("k1 HS256 "+strings.Repeat("MDEyMzQ1", 8)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return func(s *config.Serve) { s.Tokens.Required, s.Tokens.KeysFile = true, path }
}

// A revoked token ends what was opened with it, on every protocol, and opens nothing any more,
// after a restart neither; another token of the same key goes on.
//
// Broken once by following nothing: no token was taken.
func TestRevokedToken(t *testing.T) {
	c := Start(t, Options{Settings: tokensNeeded(t), Comets: 2})
	(&revoking{t: t, api: c.API, restart: c.Restart}).play()
}

// The same where each role is a process of its own, so that the comets and the other web node
// hear of it from the store alone.
func TestRevokedTokenAmongProcesses(t *testing.T) {
	f := NewFleet(t, Topology{Groups: 2, Comets: 1, Webs: 2})
	zktest.StartAll(f.ZooKeepers...)
	tune := tokensNeeded(t)
	for _, role := range []serve.Roles{serve.Comet, serve.Web} {
		for _, p := range f.Parts(role, "") {
			p.Tune(tune)
		}
	}
	f.StartAll()
	f.Settle()
	(&revoking{t: t, api: f.API, restart: func() {
		for _, role := range []serve.Roles{serve.Comet, serve.Web} {
			for _, p := range f.Parts(role, "") {
				p.Kill()
				p.Restart()
			}
		}
		f.Settle()
	}}).play()
}

// revoking plays the same on any cluster that requires tokens.
type revoking struct {
	t       *testing.T
	api     *API
	restart func()

	tokens map[string]string // by name
}

const revokedKey = "phone-4711" // a key like any other

func (r *revoking) play() {
	r.t.Helper()
	r.tokens = map[string]string{"lost": r.mint("lost"), "kept": r.mint("kept")}
	lost, kept := r.connect("lost"), r.connect("kept")
	r.revoke("lost")
	lost.end(r.t)
	kept.hear(r.t, r.api)
	Until(r.t, time.Minute, "every web node to refuse the token", func() (bool, string) {
		for range 4 { // they take turns
			if got := r.read("lost"); got != "401 unauthenticated, ret 65534" {
				return false, got
			}
		}
		return true, ""
	})
	r.refused("lost")
	r.restart()
	r.refused("lost")
	if got := r.read("lost"); got != "401 unauthenticated, ret 65534" {
		r.t.Errorf("after a restart reading gives %s", got)
	}
	if got := r.read("kept"); got != "200 , ret 0" {
		r.t.Errorf("another token reads %s", got)
	}
	kept = r.connect("kept")
	kept.hear(r.t, r.api)
}

func (r *revoking) mint(name string) string {
	r.t.Helper()
	res, err := r.api.Admin(r.t.Context(), http.MethodPost, "/v2/tokens", fmt.Sprintf(`{"key":%q,"id":%q}`, revokedKey, name), "Content-Type", "application/json")
	_, rest, _ := strings.Cut(res.Body, `"token":"`)
	token, _, ok := strings.Cut(rest, `"`)
	if err != nil || res.Status != http.StatusCreated || !ok {
		r.t.Fatalf("mint: %s, %v", res, err)
	}
	return token
}

func (r *revoking) revoke(name string) {
	r.t.Helper()
	res, err := r.api.Admin(r.t.Context(), http.MethodDelete, "/v2/tokens/"+name, "")
	if err != nil || res.Status != http.StatusOK {
		r.t.Fatalf("revoke: %s, %v", res, err)
	}
}

// read is what both protocols answer who reads with a token.
func (r *revoking) read(name string) string {
	r.t.Helper()
	v2, err := r.api.Public(r.t.Context(), http.MethodGet, "/v2/messages?key="+revokedKey, "Authorization", "Bearer "+r.tokens[name])
	if err != nil {
		return err.Error()
	}
	v1, err := r.api.Public(r.t.Context(), http.MethodGet, "/1/msg/get?m=0&k="+revokedKey+"&t="+r.tokens[name])
	if err != nil {
		return err.Error()
	}
	_, ret, _ := strings.Cut(v1.Body, `"ret":`)
	ret, _, _ = strings.Cut(strings.TrimSuffix(ret, "}"), ",")
	return fmt.Sprintf("%d %s, ret %s", v2.Status, problemCode(v2.Body), ret)
}

// opened are connections with one token, one of each kind.
type opened struct {
	ws       wsStream
	sse      Stream
	tcp, sub V1Conn
}

// connect opens what is to be open. A node that has just started may ask to come back.
func (r *revoking) connect(name string) (o opened) {
	r.t.Helper()
	Until(r.t, time.Minute, "the token "+name+" to be taken", func() (bool, string) {
		var err error
		o, err = r.open(name)
		if err == nil {
			err = o.live()
		}
		return err == nil, fmt.Sprint(err)
	})
	r.t.Cleanup(o.close)
	return o
}

func (o *opened) close() {
	for _, c := range []io.Closer{o.ws, o.sse, o.tcp, o.sub} {
		_ = c.Close()
	}
}

// open connects in every way; an error means that nothing is open.
func (r *revoking) open(name string) (o opened, err error) {
	ctx, token := r.t.Context(), r.tokens[name]
	node, err := r.api.Node(ctx, revokedKey)
	if err != nil {
		return o, err
	}
	at, err := hostOf(node.WS)
	if err != nil {
		return o, err
	}
	var all []io.Closer
	defer func() {
		if err != nil {
			for _, c := range all {
				_ = c.Close()
			}
		}
	}()
	query := "public=0&key=" + revokedKey
	ws, err := DialWebsocket(ctx, at, "/v2/stream?"+query, http.Header{"Sec-Websocket-Protocol": {"gopush.v2, gopush.token." + token}})
	if err != nil {
		return o, err
	}
	o.ws, all = wsStream{ws}, append(all, ws)
	if o.sse, err = dialEvents(ctx, at, query, http.Header{"Authorization": {"Bearer " + token}}); err != nil {
		return o, err
	}
	all = append(all, o.sse)
	if o.tcp, err = DialTCP(ctx, node.TCP, V1Command("sub", revokedKey, "30", token, "1.0")); err != nil {
		return o, err
	}
	all = append(all, o.tcp)
	q := V1Query(revokedKey, "1.0")
	q.Set("token", token)
	o.sub, err = DialSub(ctx, at, q, nil)
	return o, err
}

// live waits until all of them are; on an error they are closed.
func (o *opened) live() error {
	var errs []error
	for _, s := range []Stream{o.ws, o.sse} {
		_, err := ReadUntil(s, "live", 20*time.Second)
		errs = append(errs, err)
	}
	for _, c := range []V1Conn{o.tcp, o.sub} {
		got, err := c.Next(20 * time.Second)
		if err == nil && got != "+h" {
			err = fmt.Errorf("v1 is answered %s", got)
		}
		errs = append(errs, err)
	}
	err := errors.Join(errs...)
	if err != nil {
		o.close()
	}
	return err
}

// end waits until all of them have, each with what its protocol has for it.
func (o *opened) end(t *testing.T) {
	t.Helper()
	if _, err := ReadUntil(o.ws, "never", time.Minute); closeCode(err) != 4106 {
		t.Errorf("the websocket ends with %v", err)
	}
	said, err := ReadUntil(o.sse, "error", time.Minute)
	if err != nil || said[len(said)-1].Code != "token_revoked" || said[len(said)-1].Retryable {
		t.Errorf("SSE says %+v, %v", said, err)
	}
	for name, c := range map[string]V1Conn{"TCP": o.tcp, "websocket": o.sub} {
		if got, err := c.Next(time.Minute); err == nil || Timeout(err) {
			t.Errorf("v1 over %s hears %s, %v", name, got, err)
		}
	}
}

func closeCode(err error) int {
	if e, ok := errors.AsType[*CloseError](err); ok {
		return e.Code
	}
	return 0
}

// hear pushes, and waits until all of them have got it.
func (o *opened) hear(t *testing.T, api *API) {
	t.Helper()
	out := api.Push(t.Context(), Message{Key: revokedKey, Data: Text("for whoever may")})
	if out.State != Acked {
		t.Fatalf("push: %+v", out)
	}
	for _, s := range []Stream{o.ws, o.sse} {
		if _, err := ReadUntil(s, "message", time.Minute); err != nil {
			t.Error(err)
		}
	}
	for _, c := range []V1Conn{o.tcp, o.sub} {
		if got, err := c.Next(time.Minute); err != nil || !strings.Contains(got, "for whoever may") {
			t.Errorf("v1 hears %s, %v", got, err)
		}
	}
}

// refused shows the token on every way in, and as a renewal.
func (r *revoking) refused(name string) {
	r.t.Helper()
	other := r.connect("kept")
	token := r.tokens[name]
	if err := other.ws.Send(OpText, `{"type":"token","token":"`+token+`"}`); err != nil {
		r.t.Fatal(err)
	}
	if _, err := ReadUntil(other.ws, "never", time.Minute); closeCode(err) != 4106 {
		r.t.Errorf("a renewal with the token %s ends with %v", name, err)
	}
	node, err := r.api.Node(r.t.Context(), revokedKey)
	if err != nil {
		r.t.Fatal(err)
	}
	at, err := hostOf(node.WS)
	if err != nil {
		r.t.Fatal(err)
	}
	ws, err := DialWebsocket(r.t.Context(), at, "/v2/stream?key="+revokedKey, http.Header{"Sec-Websocket-Protocol": {"gopush.v2, gopush.token." + token}})
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = ws.Close() }()
	if _, err := ReadUntil(wsStream{ws}, "never", time.Minute); closeCode(err) != 4106 {
		r.t.Errorf("the websocket of the token %s ends with %v", name, err)
	}
	_, err = dialEvents(r.t.Context(), at, "key="+revokedKey, http.Header{"Authorization": {"Bearer " + token}})
	if e, ok := errors.AsType[*StatusError](err); !ok || e.Status != http.StatusUnauthorized {
		r.t.Errorf("SSE with the token %s: %v", name, err)
	}
	tcp, err := DialTCP(r.t.Context(), node.TCP, V1Command("sub", revokedKey, "30", token, "1.0"))
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = tcp.Close() }()
	q := V1Query(revokedKey, "1.0")
	q.Set("token", token)
	sub, err := DialSub(r.t.Context(), at, q, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = sub.Close() }()
	for _, c := range []V1Conn{tcp, sub} {
		if got, err := c.Next(time.Minute); got != "-a" {
			r.t.Errorf("v1 with the token %s: %s, %v", name, got, err)
		}
	}
}
