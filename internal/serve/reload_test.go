package serve

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gopush/internal/config"
	"gopush/internal/daemon"
	"gopush/internal/push"
	"gopush/message"
	"gopush/message/embedded"
)

// reloaded is a cluster whose settings come from a file, and what it logs.
type reloaded struct {
	*cluster
	dir, file string
	log       *lines
}

// startReloaded starts with a file of that text.
func startReloaded(t *testing.T, text string, open func(string) (message.Store, error)) *reloaded {
	t.Helper()
	dir := t.TempDir()
	r := &reloaded{dir: dir, file: filepath.Join(dir, "gopush.yaml"), log: new(lines)}
	log, level, err := daemon.NewLogger(daemon.LogConfig{}, r.log)
	if err != nil {
		t.Fatal(err)
	}
	r.write(t, text)
	s, err := r.read()
	if err != nil {
		t.Fatal(err)
	}
	r.cluster = startLogging(t, Config{Settings: s, LogLevel: level, OpenStore: open}, log)
	return r
}

func (r *reloaded) write(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(r.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// read does so as a command line does.
func (r *reloaded) read() (config.Serve, error) {
	d := config.NewDraft()
	d.File(r.file)
	d.Change("--ports-from", func(s *config.Serve) error { return s.PortsFrom(0) })
	d.Flag("--data", "data", filepath.Join(r.dir, "data"))
	return d.Serve()
}

// reload has the text taken over, and returns the line that is logged about it.
func (r *reloaded) reload(t *testing.T, text string) string {
	t.Helper()
	r.write(t, text)
	before := len(r.log.String())
	if !r.sys.Reload(r.read) {
		t.Fatalf("it was refused: %s", r.log.String()[before:])
	}
	return said(r.log.String()[before:], "settings reloaded")
}

// said is the line that holds the part; what else is logged meanwhile is of others.
func said(text, part string) string {
	for line := range strings.Lines(text) {
		if strings.Contains(line, part) {
			return line
		}
	}
	return ""
}

// answer makes a request with a token and tells what comes back, without waiting for the
// end of a stream.
func (r *reloaded) answer(t *testing.T, method, url, body, token, origin string) (status int, allowed string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	if origin != "" {
		req.Header.Set("Origin", origin)
	}
	resp, err := r.http.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode, resp.Header.Get("Access-Control-Allow-Origin")
}

// refused reports whether no further stream of the key is served beside one.
func (r *reloaded) refused(t *testing.T, key, other string) bool {
	t.Helper()
	awaitQuiet(t, r.sys)
	first := r.listen(key)
	if _, ok := first.next("live"); !ok {
		t.Fatal("the first stream is not served")
	}
	second := r.listen(other)
	_, live := second.next("live")
	// Whoever is connected stays so, whatever the limit is.
	id := r.push(key, `"still here"`)
	if data, ok := first.next("message"); !ok || !strings.Contains(data, id) {
		t.Errorf("the first stream is gone: %s", data)
	}
	for _, e := range []*events{first, second} {
		_ = e.body.Close()
	}
	return !live
}

// crowded reports whether any of twenty streams is refused that begin at once.
func (r *reloaded) crowded(t *testing.T) bool {
	t.Helper()
	awaitQuiet(t, r.sys)
	_, sse := r.node("crowd")
	bodies := make(chan io.Closer, 20)
	var refused atomic.Bool
	var all sync.WaitGroup
	for range cap(bodies) {
		all.Go(func() {
			resp, err := r.http.Get(sse + "?key=crowd")
			if err != nil {
				t.Error(err)
				return
			}
			bodies <- resp.Body
			if resp.StatusCode == http.StatusServiceUnavailable {
				refused.Store(true)
			}
		})
	}
	all.Wait()
	close(bodies)
	for b := range bodies {
		_ = b.Close()
	}
	return refused.Load()
}

// often reports whether any of twenty calls at once is one too many.
func (r *reloaded) often(call func() (status int)) bool {
	var refused atomic.Bool
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if call() == http.StatusTooManyRequests {
				refused.Store(true)
			}
		})
	}
	all.Wait()
	return refused.Load()
}

// full reports whether any of three connections at once is turned away by the public API.
func (r *reloaded) full(t *testing.T) (refused bool) {
	t.Helper()
	for range 3 {
		conn, err := net.Dial("tcp", r.sys.Addrs().Public)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(time.Minute))
		if _, err := io.WriteString(conn, "GET /v2/time HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		refused = refused || resp.StatusCode == http.StatusServiceUnavailable
	}
	return refused
}

// sight is how a setting is changed by a file, and whether that can be seen.
type sight struct {
	text string
	seen func() bool // nil: it has a test of its own
}

// sights has one for every setting that can be reloaded; token is in the file tokens.
func (r *reloaded) sights(t *testing.T, token, tokens string) map[string]sight {
	t.Helper()
	admin, public := "http://"+r.sys.Addrs().Admin, "http://"+r.sys.Addrs().Public
	_, sse := r.node("k")
	keys := 0
	pushedOften := func() bool {
		return r.often(func() int {
			status, _ := r.answer(t, http.MethodPost, admin+"/v2/messages", `{"key":"k","data":1}`, r.sys.Token(), "")
			return status
		})
	}
	fresh := func() string { keys++; return fmt.Sprintf("key-%d", keys) }
	return map[string]sight{
		"log.level": {"log: {level: debug}", func() bool {
			before := len(r.log.String())
			r.push(fresh(), "1")
			return strings.Contains(r.log.String()[before:], "level=DEBUG")
		}},
		"messages.default_ttl": {"messages: {default_ttl: 1h}", func() bool {
			key := fresh()
			r.push(key, "1")
			var page struct {
				Messages []struct {
					ExpiresAt int64 `json:"expires_at"`
				}
			}
			r.call(http.MethodGet, public+"/v2/messages?key="+key, "", &page)
			return time.Until(time.UnixMilli(page.Messages[0].ExpiresAt)) < 2*time.Hour
		}},
		"messages.max_bytes": {"messages: {max_bytes: 64}", func() bool {
			status, _ := r.answer(t, http.MethodPost, admin+"/v2/messages", `{"key":"k","data":"`+strings.Repeat("x", 100)+`"}`, r.sys.Token(), "")
			return status == http.StatusRequestEntityTooLarge
		}},
		"messages.newest": {"messages: {newest: 1}", func() bool {
			key := fresh()
			r.push(key, "1")
			r.push(key, "2")
			stream := r.listen(key)
			defer stream.body.Close()
			data, _ := stream.next("message")
			return len(r.inbox(key)) == 1 && strings.Contains(data, `"data":2`)
		}},
		"comet.max_connections":        {"comet: {max_connections: 1}", func() bool { return r.refused(t, "a", "b") }},
		"comet.max_per_key":            {"comet: {max_per_key: 1}", func() bool { return r.refused(t, "a", "a") && !r.refused(t, "a", "b") }},
		"comet.max_per_address":        {"comet: {max_per_address: 5}", func() bool { return r.crowded(t) }},
		"comet.handshakes_per_second":  {"comet: {handshakes_per_second: 1}", func() bool { return r.crowded(t) }},
		"comet.handshakes_per_address": {"comet: {handshakes_per_address: 1}", func() bool { return r.crowded(t) }},
		"comet.origins": {"comet: {origins: [https://good.example]}", func() bool {
			_, allowed := r.answer(t, http.MethodGet, sse+"?key=k", "", "", "https://evil.example")
			return allowed == ""
		}},
		"web.admin_token_file": {"web: {admin_token_file: " + tokens + "}", func() bool {
			status, _ := r.answer(t, http.MethodPost, admin+"/v2/messages", `{"key":"k","data":1}`, token, "")
			return status == http.StatusCreated && r.sys.Token() == token
		}},
		"web.max_connections": {"web: {max_connections: 1}", func() bool { return r.full(t) }},
		"web.max_per_address": {"web: {max_per_address: 1}", func() bool { return r.full(t) }},
		"comet.handshakes_per_key": {"comet: {handshakes_per_key: 1}", func() bool {
			key := fresh()
			return r.refused(t, key, key) && !r.refused(t, fresh(), fresh())
		}},
		"comet.pushes_per_key":   {"comet: {pushes_per_key: 1}", pushedOften},
		"web.pushes_per_second":  {"web: {pushes_per_second: 1}", pushedOften},
		"web.pushes_per_address": {"web: {pushes_per_address: 1}", pushedOften},
		"web.reads_per_address": {"web: {reads_per_address: 1}", func() bool {
			return r.often(func() int {
				status, _ := r.answer(t, http.MethodGet, public+"/v2/time", "", "", "")
				return status
			})
		}},
		"web.cors_origins": {"web: {cors_origins: [https://good.example]}", func() bool {
			_, allowed := r.answer(t, http.MethodGet, public+"/v2/messages?key=k", "", "", "https://good.example")
			return allowed == "https://good.example"
		}},
		"web.push_timeout": {"web: {push_timeout: 100ms}", nil}, // see TestPushTimeoutReloads
	}
}

// movingSights are those of the settings of moving in, and what the file has before each.
func (r *reloaded) movingSights(t *testing.T) (sights map[string]sight, bases map[string]string) {
	t.Helper()
	admin, public := "http://"+r.sys.Addrs().Admin, "http://"+r.sys.Addrs().Public
	const ret = 1001
	var deletions atomic.Int64
	old := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Method == http.MethodPost {
			deletions.Add(1)
		}
		_, _ = fmt.Fprintf(w, `{"ret":%d}`, ret)
	}))
	t.Cleanup(old.Close)
	const nowhere = "http://127.0.0.1:1"
	base := func(more string) string {
		return "moving: {ring: [node1=1], public: " + nowhere + ", admin: " + nowhere + more + "}"
	}
	lookup := func() int {
		var got struct{ Ret int }
		r.call(http.MethodGet, public+"/1/server/get?k=k&p=1", "", &got)
		return got.Ret
	}
	push := func() int {
		status, _ := r.answer(t, http.MethodPost, admin+"/v2/messages", `{"key":"k","data":1}`, r.sys.Token(), "")
		return status
	}
	// The stand-in counts deletions, as they go there whoever has the key.
	deleted := func() bool {
		before := deletions.Load()
		_, _ = r.answer(t, http.MethodDelete, admin+"/v2/messages?key=k", "", r.sys.Token(), "")
		return deletions.Load() > before
	}
	fromOld := base(", old: [node1]")
	sights = map[string]sight{
		"moving.ring": {base(""), func() bool {
			var state struct{ Groups []any }
			r.call(http.MethodGet, admin+"/v2/moving", "", &state)
			return len(state.Groups) == 1
		}},
		"moving.old":    {fromOld, func() bool { return push() == http.StatusConflict }},
		"moving.held":   {base(", held: [node1]"), func() bool { return push() == http.StatusServiceUnavailable }},
		"moving.public": {strings.Replace(fromOld, "public: "+nowhere, "public: "+old.URL, 1), func() bool { return lookup() == ret }},
		"moving.admin":  {strings.Replace(fromOld, "admin: "+nowhere, "admin: "+old.URL, 1), deleted},
	}
	bases = map[string]string{
		"moving.ring": "moving: {public: " + nowhere + ", admin: " + nowhere + "}",
		"moving.old":  base(""), "moving.held": base(""), "moving.public": fromOld, "moving.admin": fromOld,
	}
	return sights, bases
}

// TestEverySettingReloads changes every setting that can be in the file of a system that
// runs, and sees that it works, and that it no longer does once it is changed back.
//
// Broken once by not telling the comet, once by not telling web, and once by leaving the
// level of the log alone.
func TestEverySettingReloads(t *testing.T) {
	r := startReloaded(t, "", nil)
	const token = "another-token-than-before"
	tokens := filepath.Join(r.dir, "token")
	if err := os.WriteFile(tokens, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := r.sights(t, token, tokens)
	moving, bases := r.movingSights(t)
	maps.Copy(tests, moving)
	if all, want := slices.Sorted(maps.Keys(tests)), slices.Sorted(slices.Values(config.Reloadable())); !slices.Equal(all, want) {
		t.Errorf("the table sees %v\nbut these can be reloaded: %v", all, want)
	}
	for path, tt := range tests {
		r.reload(t, bases[path])
		if tt.seen != nil && tt.seen() {
			t.Errorf("%s: there is nothing to see before", path)
		}
		if line, want := r.reload(t, tt.text), `changed=`+path; !strings.Contains(line, want) || !strings.Contains(line, "need_restart=none") {
			if path != "web.admin_token_file" || !strings.Contains(line, `changed="web.admin_token_file, the admin tokens"`) {
				t.Errorf("%s: the line says %s", path, line)
			}
		}
		if tt.seen != nil && !tt.seen() {
			t.Errorf("%s: the new value does not work", path)
		}
		r.reload(t, bases[path])
		if tt.seen != nil && tt.seen() {
			t.Errorf("%s: the value that was there before does not work again", path)
		}
	}
	if strings.Contains(r.log.String(), token) || strings.Contains(r.log.String(), r.sys.Token()) {
		t.Error("a token is in the log")
	}
}

// stuck is a store in which writes of one key wait for the end of their time, and are
// neither made nor refused.
type stuck struct{ message.Store }

func (s *stuck) Save(ctx context.Context, writes []push.Write) []error {
	for i := range writes {
		if writes[i].Key == "stuck" {
			<-ctx.Done()
			return slices.Repeat([]error{push.E(push.KindOutcomeUnknown, "its time is over")}, len(writes))
		}
	}
	return s.Store.Save(ctx, writes)
}

// TestPushTimeoutReloads: a shorter time ends pushes that are not stored.
//
// Broken once by going by the time of the start.
func TestPushTimeoutReloads(t *testing.T) {
	// With this time the push outlasts its client.
	r := startReloaded(t, "web: {push_timeout: 5m}", func(dir string) (message.Store, error) {
		inner, err := embedded.Open(embedded.Config{Dir: dir}, quiet, time.Now)
		if err != nil {
			return nil, err
		}
		return &stuck{inner}, nil
	})
	r.reload(t, "web: {push_timeout: 100ms}")
	status, _ := r.answer(t, http.MethodPost, "http://"+r.sys.Addrs().Admin+"/v2/messages", `{"key":"stuck","data":1}`, r.sys.Token(), "")
	if status != http.StatusGatewayTimeout {
		t.Errorf("status %d", status)
	}
}

// TestRestartIsNamed: every setting that a running system cannot take over is in the line,
// as long as it differs, and the system goes on as it was.
//
// Broken once by comparing with the settings that were read last.
func TestRestartIsNamed(t *testing.T) {
	r := startReloaded(t, "", nil)
	for _, without := range []string{"insecure_rpc", "rpc."} { // they exclude each other
		changes := func(path string) bool {
			return !slices.Contains(config.Reloadable(), path) && !strings.HasPrefix(path, without)
		}
		other := func() (config.Serve, error) {
			s, err := r.read()
			for _, path := range config.Paths() {
				if err == nil && changes(path) {
					err = change(&s, path)
				}
			}
			return s, errors.Join(err, s.Validate())
		}
		before := len(r.log.String())
		if !r.sys.Reload(other) {
			t.Fatalf("it was refused: %s", r.log.String()[before:])
		}
		line := said(r.log.String()[before:], "settings reloaded")
		_, list, _ := strings.Cut(line, `need_restart="`)
		list, _, _ = strings.Cut(list, `"`)
		var want []string
		for _, path := range config.Paths() {
			if changes(path) {
				want = append(want, path)
			}
		}
		if !slices.Equal(strings.Split(list, ", "), want) || !strings.Contains(line, "level=WARN") {
			t.Errorf("the line %s\nnames %s\n not %s", line, list, want)
		}
	}
	if id := r.push("k", "1"); id == "" {
		t.Error("it does not serve any more")
	}
}

// change gives the setting some other value.
func change(s *config.Serve, path string) error {
	before := *s
	for _, text := range []string{
		"true", "2", "0.5", "2s", "3d", "1KiB", "json", "debug", "zookeeper", "hbase", "async", "https://a.example", "127.0.0.1:7", "a.example:7", "/a", "a:b", "a",
	} {
		if s.Set(path, text) != nil {
			continue
		}
		if _, changed, restart := before.Reload(*s); len(changed)+len(restart) > 0 {
			return nil
		}
	}
	return fmt.Errorf("%s: no other value was found; add one to this list", path)
}

// TestRefusedReload: if anything is wrong, with any part, nothing changes for any.
//
// Broken once by taking each step as soon as it is prepared.
func TestRefusedReload(t *testing.T) {
	r := startReloaded(t, "", nil)
	var prepared, taken []int
	broken := errors.New("the certificate has expired; renew it")
	var fails error
	for i, err := range []*error{new(error), &fails, new(error)} {
		if err := r.sys.onReload(func(s config.Serve) (step, error) {
			prepared = append(prepared, s.Comet.MaxPerKey)
			return step{take: func() { taken = append(taken, i) }, news: "a certificate"}, *err
		}); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(taken, []int{0, 1, 2}) {
		t.Errorf("at once: %v", taken)
	}
	token := r.sys.Token()
	fails = broken
	for text, want := range map[string][]string{
		"comet: {max_per_key: 1}":                             {broken.Error()},
		"drain: 1\nlog: {levell: debug}":                      {r.file + ":1: drain", r.file + ":2: log"},
		"web: {admin_token_file: /nowhere}":                   {"admin token", "/nowhere", broken.Error()},
		"store: {kind: hbase}\nlog: {level: debug}":           {r.file + ": store.zookeeper"},
		"log: {level: debug}\nweb: {cors_origins: [\"*\"]}\n": {broken.Error()},
	} {
		taken = nil
		before := r.log.String()
		r.write(t, text)
		if r.sys.Reload(r.read) {
			t.Errorf("%q was taken over", text)
		}
		line := said(r.log.String()[len(before):], "level=ERROR")
		for _, part := range append(want, "send SIGHUP again", "all old ones still hold") {
			if !strings.Contains(line, part) {
				t.Errorf("%q: no %q in the line %s", text, part, line)
			}
		}
		if len(taken) > 0 || r.sys.Token() != token || r.sys.cfg.LogLevel.Level() != slog.LevelInfo {
			t.Errorf("%q: it was taken over in part: %v", text, taken)
		}
	}
	if r.refused(t, "a", "a") {
		t.Error("a limit that was refused holds")
	}
	if got := r.outcomes(t); got != "applied 0, refused 5, successful 0" {
		t.Errorf("the metrics say %s", got)
	}
	fails = nil
	prepared = nil
	line := r.reload(t, "comet: {max_per_key: 7}")
	if !strings.Contains(line, `changed="comet.max_per_key, a certificate, a certificate, a certificate"`) || !slices.Equal(prepared, []int{7, 7, 7}) {
		t.Errorf("then: %s, prepared for %v", line, prepared)
	}
	if got := r.outcomes(t); got != "applied 1, refused 5, successful 1" {
		t.Errorf("the metrics say %s", got)
	}
	// Who comes later begins with what holds then.
	if err := r.sys.onReload(func(s config.Serve) (step, error) {
		if s.Comet.MaxPerKey != 7 {
			t.Errorf("a late part is prepared for %d", s.Comet.MaxPerKey)
		}
		return step{}, broken
	}); !errors.Is(err, broken) {
		t.Errorf("a part that cannot begin: %v", err)
	}
	if r.reload(t, ""); !slices.Equal(prepared, []int{7, 7, 7, 64, 64, 64}) {
		t.Errorf("a part that could not begin is asked again, or one that could is not: %v", prepared)
	}
}

// outcomes are what the metrics say of reloads.
func (r *reloaded) outcomes(t *testing.T) string {
	t.Helper()
	all := families(t, r.sys)
	counts := make(map[string]float64)
	for _, m := range all["gopush_config_reloads_total"].GetMetric() {
		counts[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
	}
	return fmt.Sprintf("applied %v, refused %v, successful %v", counts["applied"], counts["refused"],
		all["gopush_config_last_reload_successful"].GetMetric()[0].GetGauge().GetValue())
}

// TestTokenReloads: new content of the same file counts, the old token does not any more,
// and what is no token, or gone, is refused.
//
// Broken once by not telling web.
func TestTokenReloads(t *testing.T) {
	r := startReloaded(t, "", nil)
	file, old := r.sys.TokenFile(), r.sys.Token()
	pushed := func(token string) int {
		status, _ := r.answer(t, http.MethodPost, "http://"+r.sys.Addrs().Admin+"/v2/messages", `{"key":"k","data":1}`, token, "")
		return status
	}
	const next = "the-next-token-of-this-node"
	if err := os.WriteFile(file, []byte(next+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := []int{pushed(old), pushed(next)}; !slices.Equal(got, []int{201, 401}) {
		t.Errorf("before the reload: %v", got)
	}
	if line := r.reload(t, ""); !strings.Contains(line, `changed="the admin tokens"`) {
		t.Error(line)
	}
	if got := []int{pushed(old), pushed(next)}; !slices.Equal(got, []int{401, 201}) || r.sys.Token() != next {
		t.Errorf("after the reload: %v", got)
	}
	for _, spoil := range []func() error{
		func() error { return os.WriteFile(file, []byte("short"), 0o600) },
		func() error { return os.Remove(file) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if r.sys.Reload(r.read) || pushed(next) != 201 {
			t.Error("a token that cannot be has taken the place of one that can")
		}
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a reload has made a token: %v", err)
	}
	if text := r.log.String(); strings.Contains(text, next) || strings.Contains(text, old) {
		t.Error("a token is in the log")
	}
}

// TestForeignSettings: what is of roles that run elsewhere is in no line.
//
// Broken once by having every setting concern everybody.
func TestForeignSettings(t *testing.T) {
	for path, want := range map[string]bool{
		"drain": true, "log.level": true, "messages.newest": true, "message.rpc": false, "comet.weight": true, "web.public": false,
	} {
		if got := Comet.concern(path); got != want {
			t.Errorf("%s concerns a comet: %v", path, got)
		}
	}
}
