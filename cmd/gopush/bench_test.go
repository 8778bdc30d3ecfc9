package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"gopush/internal/bench"
)

// benchmark runs gopush bench with --json and decodes its result.
func benchmark(t *testing.T, args ...string) (code int, r bench.Result, errs string) {
	t.Helper()
	got := gopushHere(t.Context(), "", append([]string{"--json", "bench"}, args...)...)
	if err := json.Unmarshal([]byte(got.out), &r); err != nil {
		t.Fatalf("%d %s: %v", got.code, got.err, err)
	}
	return got.code, r, got.err
}

// unbroken reports whether nothing was broken, and the exit code says whether the
// rate was reached, which a machine that others use may prevent.
func unbroken(code int, r *bench.Result) bool {
	return code == exitOK && r.Verdict == bench.OK || code == exitTooSlow && r.Verdict == bench.TooSlow && r.Pushes.NotSent > 0
}

// TestBench puts a little load on a whole server, in both ways, with every kind of
// reader. It looks at numbers of messages, never at times.
func TestBench(t *testing.T) {
	_, b := serving(t)
	args := strings.Fields("--rate 50 --duration 2s --warmup 1s --keys 5 --readers 2 --fetch 3 --public 5 --connections 4 --timeout 60s --settle 60s --ops " + b.Addresses.Ops)
	for _, how := range []string{"--quiet", "--batch"} {
		code, r, errs := benchmark(t, append(args, how)...)
		if !unbroken(code, &r) || r.Interrupted || how == "--quiet" && code == exitOK && errs != "" {
			t.Errorf("%s: %d %+v %s", how, code, r, errs)
		}
		if p := r.Pushes; p.Scheduled != 165 || p.Acknowledged+p.NotSent != 165 || r.Measured.Scheduled != 110 {
			t.Errorf("%s: %+v", how, p)
		}
		// Each key's to 2 readers, 3 of 5 keys to one more, each broadcast to all 10.
		if want := int64(150*2 + 90 + 15*10); r.Pushes.NotSent == 0 && r.Deliveries.Received != want {
			t.Errorf("%s: %d of %d deliveries", how, r.Deliveries.Received, want)
		}
		if len(r.Servers) != 1 || r.Servers[0].Error != "" || r.Servers[0].MemoryBytes == 0 || len(r.Nodes) == 0 || r.Client.Go == "" || r.Machine.Cores == 0 {
			t.Errorf("%s: %+v", how, r)
		}
		if got := gopushHere(t.Context(), "", "inbox", r.Prefix+"0"); r.KeysLeft != 0 || got.out != "-- nothing\n" {
			t.Errorf("%s: %d keys are left; there is %s", how, r.KeysLeft, got.out)
		}
	}
	_, r, _ := benchmark(t, "--rate", "20", "--duration", "1s", "--warmup", "0s", "--keys", "1", "--keep", "--timeout", "60s", "--settle", "60s")
	if got := gopushHere(t.Context(), "", "inbox", r.Prefix+"0"); strings.Count(got.out, "\n") != int(r.Pushes.Acknowledged) {
		t.Errorf("with --keep there is %s", got.out)
	}
	if got := gopushHere(t.Context(), "", "bench", "--data", "nowhere"); got.code != exitRefused || !strings.Contains(got.err, "Give the admin token") {
		t.Errorf("without the token: %+v", got)
	}
}

// TestBenchInterrupted: Ctrl-C ends the pushing, and there is a result of what was done.
func TestBenchInterrupted(t *testing.T) {
	_, b := serving(t)
	c := inBackground(t, "--json", "bench", "--rate", "100", "--duration", "1h", "--warmup", "0s", "--keys", "3", "--timeout", "60s", "--settle", "60s", "--ops", b.Addresses.Ops)
	c.err.until(t, "measuring") // it has pushed for a second
	code := c.stop()
	var r bench.Result
	text, _ := c.out.look()
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatal(err)
	}
	p := r.Pushes
	if !unbroken(code, &r) || !r.Interrupted || p.Acknowledged == 0 || p.Scheduled != p.Acknowledged+p.NotSent || r.Deliveries.Received != p.Acknowledged || r.KeysLeft != 0 {
		t.Errorf("%+v", r)
	}
}

// shelf is a server for readers that fetch. It keeps messages, and gives them as it
// is told.
type shelf struct {
	status int                         // of pushes; 0: as it should be
	give   func(all []string) []string // what a page has of all messages

	mu       sync.Mutex
	messages []string // guarded by mu
}

func (s *shelf) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch r.Method + " " + r.URL.Path {
	case "GET /v2/nodes":
		_, _ = io.WriteString(w, `{"nodes":[]}`)
	case "GET /v2/time":
		_, _ = io.WriteString(w, `{"id":"1"}`)
	case "DELETE /v2/messages":
		w.WriteHeader(http.StatusNoContent)
	case "POST /v2/messages":
		if s.status != 0 {
			w.WriteHeader(s.status)
			return
		}
		var m struct{ Data json.RawMessage }
		_ = json.NewDecoder(r.Body).Decode(&m) // the command writes no other
		id := 16 * (len(s.messages) + 1)
		s.messages = append(s.messages, fmt.Sprintf(`{"id":"%d","prev":"%d","data":%s}`, id, id-16, m.Data))
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"id":"%d"}`, id)
	case "GET /v2/messages":
		after, _ := strconv.Atoi(r.URL.Query().Get("after")) // as above
		all := s.messages[min(after/16, len(s.messages)):]
		fmt.Fprintf(w, `{"messages":[%s],"next":"%d","more":false}`, strings.Join(s.give(all), ","), 16*len(s.messages))
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// TestBenchVerdicts: each thing that can be wrong has its exit code, and its count.
func TestBenchVerdicts(t *testing.T) {
	edit := func(change func(all []string) []string) func([]string) []string {
		return func(all []string) []string {
			if len(all) < 3 {
				return all
			}
			return change(append([]string(nil), all...))
		}
	}
	for name, c := range map[string]struct {
		shelf *shelf
		code  int
		wrong func(v bench.Violations) bool
	}{
		"lost":      {&shelf{give: edit(func(all []string) []string { return append(all[:1], all[2:]...) })}, exitBroken, func(v bench.Violations) bool { return v.Lost > 0 && v.Gaps > 0 }},
		"duplicate": {&shelf{give: edit(func(all []string) []string { return append(all[:2], all[1:]...) })}, exitBroken, func(v bench.Violations) bool { return v.Duplicate > 0 && v.Lost == 0 }},
		"reordered": {&shelf{give: edit(func(all []string) []string { all[1], all[2] = all[2], all[1]; return all })}, exitBroken, func(v bench.Violations) bool { return v.Reordered > 0 && v.Lost == 0 }},
		"too slow":  {&shelf{status: http.StatusServiceUnavailable, give: edit(nil)}, exitTooSlow, func(v bench.Violations) bool { return len(v.First) == 0 }},
		"good":      {&shelf{give: func(all []string) []string { return all }}, exitOK, func(v bench.Violations) bool { return len(v.First) == 0 }},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(c.shelf)
			defer server.Close()
			t.Setenv("GOPUSH_WEB", server.URL)
			t.Setenv("GOPUSH_ADMIN", server.URL)
			code, r, errs := benchmark(t, strings.Fields("--rate 50 --duration 1s --warmup 0s --keys 1 --readers 0 --fetch 1 --settle 2s --quiet --timeout 30s")...)
			if code != c.code && (c.code != exitOK || !unbroken(code, &r)) || !c.wrong(r.Violations) || (errs == "") != (code == exitOK) {
				t.Errorf("%d %q %+v", code, errs, r)
			}
		})
	}
}

func TestBenchSetup(t *testing.T) {
	server := httptest.NewServer(&shelf{})
	defer server.Close()
	t.Setenv("GOPUSH_WEB", server.URL)
	t.Setenv("GOPUSH_ADMIN", server.URL)
	// This one has no node for a websocket.
	got := gopush(t, "", "bench", "--keys", "1", "--quiet")
	if got.code == exitOK || got.code == exitUsage || !strings.Contains(got.err, "404") {
		t.Errorf("%+v", got)
	}
	t.Setenv("GOPUSH_ADMIN", "http://127.0.0.1:1")
	if got := gopush(t, "", "bench"); got.code != exitRetry {
		t.Errorf("%+v", got)
	}
}
