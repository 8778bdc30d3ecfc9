package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"gopush/hbase/hbasetest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// asGopush has the program of the tests run as gopush itself, for tests that need a process.
const asGopush = "GOPUSH_TEST_MAIN"

// commandEnv has this test binary run a command line, one word in each line: a process that
// can be killed.
const commandEnv = "GOPUSH_TEST_COMMAND"

func TestMain(m *testing.M) {
	if words := os.Getenv(commandEnv); words != "" {
		os.Exit(run(context.Background(), strings.Split(words, "\n"), streams{os.Stdin, os.Stdout, os.Stderr}))
	}
	if os.Getenv(asGopush) != "" {
		main()
	}
	// The person who runs the tests may have a server of their own.
	for _, name := range []string{"GOPUSH_WEB", "GOPUSH_ADMIN", "GOPUSH_TOKEN", "GOPUSH_CA", "GOPUSH_STORE", "GOPUSH_ZOOKEEPER", "GOPUSH_ZNODE_PARENT", "GOPUSH_TABLE", "GOPUSH_REDIS_PASSWORD"} {
		_ = os.Unsetenv(name)
	}
	goleak.VerifyTestMain(hbasetest.Main(m))
}

// outcome is what one command line did.
type outcome struct {
	code     int
	out, err string
}

// gopush runs a command line in an empty folder, so that no data folder of
// anybody is found.
func gopush(t *testing.T, stdin string, args ...string) outcome {
	t.Helper()
	t.Chdir(t.TempDir())
	return gopushHere(t.Context(), stdin, args...)
}

func gopushHere(ctx context.Context, stdin string, args ...string) outcome {
	var out, errs bytes.Buffer
	code := run(ctx, args, streams{strings.NewReader(stdin), &out, &errs})
	return outcome{code, out.String(), errs.String()}
}

func (o outcome) check(t *testing.T, want outcome) {
	t.Helper()
	if diff := cmp.Diff(want, o, cmp.AllowUnexported(outcome{})); diff != "" {
		t.Error(diff)
	}
}

// api is a fake server: it keeps what it was asked and answers what it is told.
type api struct {
	url     string
	mu      sync.Mutex
	asked   []asked
	answers []answer // the last one is given again and again
}

type asked struct {
	line, auth, idempotency, contentType, body string
}

type answer struct {
	status int
	header map[string]string
	body   string
}

func fake(t *testing.T, answers ...answer) *api {
	t.Helper()
	a := &api{answers: answers}
	s := httptest.NewServer(a)
	t.Cleanup(s.Close)
	a.url = s.URL
	return a
}

func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	a.mu.Lock()
	a.asked = append(a.asked, asked{
		r.Method + " " + r.URL.RequestURI(), r.Header.Get("Authorization"), r.Header.Get("Idempotency-Key"),
		r.Header.Get("Content-Type"), string(body),
	})
	give := a.answers[min(len(a.asked), len(a.answers))-1]
	a.mu.Unlock()
	for k, v := range give.header {
		w.Header().Set(k, v)
	}
	w.WriteHeader(give.status)
	_, _ = io.WriteString(w, give.body)
}

func (a *api) check(t *testing.T, want ...asked) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	if diff := cmp.Diff(want, a.asked, cmp.AllowUnexported(asked{})); diff != "" {
		t.Error(diff)
	}
}

// refuses is a problem document.
func refuses(status int, code, detail string, retryable bool) answer {
	b, err := json.Marshal(map[string]any{
		"type": "urn:x", "title": "T", "status": status, "code": code, "detail": detail, "retryable": retryable, "request_id": "R1",
	})
	if err != nil {
		panic(err)
	}
	return answer{status, map[string]string{"Content-Type": "application/problem+json", "Retry-After": "2"}, string(b)}
}

func TestHelp(t *testing.T) {
	for _, name := range []string{"", "serve", "push", "listen", "inbox", "where", "explain", "top", "completion", "nodes", "drain", "migrate", "migrate up", "migrate plan", "migrate status", "migrate down", "bench", "snapshot", "snapshot take", "snapshot list", "snapshot restore", "snapshot delete", "import redis", "export redis", "moving", "doctor", "version"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("COLUMNS", "80")
			golden := filepath.Join("testdata", strings.TrimSuffix("help-"+strings.ReplaceAll(name, " ", "-"), "-")+".txt")
			args := strings.Fields(name + " --help")
			got := gopushHere(t.Context(), "", args...)
			if got.code != exitOK || got.err != "" {
				t.Errorf("%d %s", got.code, got.err)
			}
			if *update {
				if err := os.WriteFile(golden, []byte(got.out), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.out); diff != "" {
				t.Errorf("rewrite it with -update if this is meant:\n%s", diff)
			}
		})
	}
}

// TestUsage: what is wrong with a command line is said before anybody is asked.
func TestUsage(t *testing.T) {
	for args, want := range map[string]string{
		"":                                      "expected one of",
		"fly":                                   "unexpected argument fly",
		"push":                                  "expected \"<key> <json>\"",
		"push k 1 --ttl 1s --transient":         "can't be used together",
		"push k {":                              `'"hello"'`,
		"push k 1 --ttl 1500ms":                 "whole seconds",
		"push k 1 --ttl=-1s":                    "whole seconds",
		"push k 1 --token-file missing":         "the token file",
		"push k 1 --admin ftp://x":              "http://host:port",
		"push k 1 --admin http://x/path":        "http://host:port",
		"push a\x01b 1":                         "control character",
		"inbox k --after -1":                    "--after",
		"inbox k --after x":                     "not a decimal number",
		"inbox k --limit 0":                     "at least 1",
		"inbox k --web ::":                      "http://host:port",
		"where \x02":                            "control character",
		"explain k":                             "KEY ID",
		"explain k 0":                           "no message's id",
		"explain k 1x":                          "not a decimal number",
		"explain \x02 16":                       "control character",
		"explain --public k 16":                 "explain --public 16",
		"listen k --after 1x":                   "not a decimal number",
		"listen k --count=-1":                   "must not be negative",
		"listen \x7f":                           "control character",
		"listen k --web x:y:z":                  "http://host:port",
		"bench --rate 0":                        "the rate is 0",
		"bench --admin http://10.0.0.1:8091":    "--yes-really",
		"bench --web push.example.com:80":       "http://push.example.com:80 is not this machine",
		"bench --ops ftp://x":                   "http://host:port",
		"bench --size 10":                       "the size is 10",
		"serve --config missing.yaml":           "missing.yaml",
		"serve --set comet.wieght=1":            "did you mean comet.weight?",
		"serve --set comet.weight=0":            "out of range",
		"serve --ports-from 70000":              "--ports-from",
		"serve --log-level loud":                "log.level",
		"serve --set comet.rpc=10.0.0.1:1":      "loopback",
		"serve --set messages.default_ttl=1y":   "is not a time",
		"serve --dev --set web.admin=0.0.0.0:1": "dev",
	} {
		t.Run(args, func(t *testing.T) {
			got := gopush(t, "", strings.Fields(args)...)
			if got.code != exitUsage || got.out != "" || !strings.HasPrefix(got.err, "gopush: ") || !strings.Contains(got.err, want) {
				t.Errorf("%d %q %q", got.code, got.out, got.err)
			}
		})
	}
}

func TestUsageAsJSON(t *testing.T) {
	got := gopush(t, "", "--json", "inbox", "k", "--limit", "0")
	got.check(t, outcome{exitUsage, "", `{"error":"--limit is 0; it must be at least 1","retryable":false,"exit":2}` + "\n"})
}
