package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/alecthomas/kong"

	"gopush/internal/cert/certtest"
	"gopush/internal/config"
)

// planted are secrets in every place that one can come from.
type planted struct {
	dir  string
	all  []string
	ca   string
	tls  []string // flags of serve
	keys string   // the file
}

func plant(t *testing.T) *planted {
	t.Helper()
	p := &planted{dir: t.TempDir()}
	secret := func(name string) string {
		p.all = append(p.all, "canary-of-"+name+"-4ZQ3RWX7")
		return p.all[len(p.all)-1]
	}
	for _, name := range []string{"GOPUSH_TOKEN", "GOPUSH_CLIENT_TOKEN", "GOPUSH_REDIS_PASSWORD", "GOPUSH_ZOOKEEPER_PASSWORD"} {
		t.Setenv(name, secret(strings.ToLower(name)))
	}
	file := func(name, text string) string {
		path := filepath.Join(p.dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	signing := base64.RawURLEncoding.EncodeToString([]byte(secret("keys") + "-and-some-more-bytes"))
	p.all = append(p.all, signing)
	p.keys = file("keys", "k HS256 "+signing+"\n")
	file("wrong-keys", "k HS256 "+signing+" and more\n")
	file("admins", "alice operator "+secret("operator")+"\nbob viewer "+secret("viewer")+"\n")
	file("wrong-admins", "alice king "+secret("king")+"\n")
	file("password", secret("password")+"\n")
	ca := certtest.New(t)
	pair := ca.Issue(t, "all", []string{"127.0.0.1"}, nil)
	pem, err := os.ReadFile(pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	p.all = append(p.all, strings.Split(string(pem), "\n")[1])
	p.ca = ca.File
	for _, section := range []string{"web.", "comet.", "ops_"} {
		p.tls = append(p.tls, "--set", section+"tls_cert="+pair.Cert, "--set", section+"tls_key="+pair.Key)
	}
	return p
}

// path is that of a planted file.
func (p *planted) path(name string) string { return filepath.Join(p.dir, name) }

// none reports secrets in what something has said.
func (p *planted) none(t *testing.T, who, said string) {
	t.Helper()
	for _, secret := range p.all {
		if strings.Contains(said, secret) {
			t.Errorf("%s says %s: %s", who, secret, said)
		}
	}
}

// leaves are all commands, by their words.
func leaves(t *testing.T) map[string]*kong.Node {
	t.Helper()
	app, err := kong.New(new(commands), kong.Name("gopush"))
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]*kong.Node)
	for _, leaf := range app.Model.Leaves(true) {
		words, _, _ := strings.Cut(leaf.Path(), " <")
		words, _, _ = strings.Cut(strings.TrimPrefix(words, "gopush "), " [")
		all[words] = leaf
	}
	return all
}

// usual are words behind each command that have it do its work, or fail at it.
var usual = map[string][]string{
	"push": {"k", "1"}, "listen": {"k", "--count", "1", "--after", "0"}, "inbox": {"k"}, "where": {"k"}, "explain": {"k", "16"},
	"top": {"--once"}, "nodes": nil, "drain": {"node1"}, "health": {"--ready"}, "doctor": {"--timeout", "5s"}, "version": nil, "completion": {"bash"},
	"token keygen": {"k2"}, "token mint": {"k"}, "token verify": {"x.y.z"}, "token revoke": {"t-1"},
	"bench":      {"--rate", "20", "--duration", "1s", "--warmup", "0s", "--keys", "2", "--quiet"},
	"migrate up": nil, "migrate plan": nil, "migrate status": nil, "migrate down": {"--to", "0"},
	"snapshot take": nil, "snapshot list": nil, "snapshot restore": {"x"}, "snapshot delete": {"x"},
	"import redis": {"--server", "node1=127.0.0.1:1"}, "export redis": {"--server", "node1=127.0.0.1:1"}, "moving": nil, "serve": {"--ports-from", "0", "--set", "comet.weight=0"},
}

// TestNoSecretIsPrinted: secrets stand in every variable and every file that one can come from.
// Every command there is, with a server that serves, with one that is not there, and with one that
// refuses all, says none of them, in text or as JSON; nor does a server in its log at the level
// debug, in its metrics, its profiles, what it prints of its settings, and what it says when it
// does not start. Only what a command is there to make is shown: a token, a key.
//
// Broken once by the token in the error of a refusal, and once by repeating an address with its
// password.
func TestNoSecretIsPrinted(t *testing.T) {
	p := plant(t)
	t.Chdir(t.TempDir())
	server := inBackground(t, append([]string{
		"serve", "--json", "--ports-from", "0", "--log-level", "debug", "--set", "web.admin_token_file=" + p.path("admins"),
		"--set", "tokens.required=true", "--set", "tokens.keys_file=" + p.keys,
	}, p.tls...)...)
	var b banner
	if err := json.Unmarshal([]byte(server.out.until(t, "\n")), &b); err != nil {
		t.Fatal(err)
	}
	operator := b.Token // a server prints it at its start, as whoever reads that can read the file
	refusing := fake(t, refuses(http.StatusForbidden, "forbidden", "this is not for you", false)).url
	password := "http://user:" + p.all[0] + "@127.0.0.1:1"
	servers := map[string][3]string{
		"a server":   {"https://" + b.Addresses.Admin, "https://" + b.Addresses.Public, b.Addresses.Ops},
		"nobody":     {"127.0.0.1:1", "127.0.0.1:1", "127.0.0.1:1"},
		"a refusal":  {refusing, refusing, refusing},
		"a password": {password, password, password},
	}
	t.Setenv("GOPUSH_CA", p.ca)
	all := leaves(t)
	for words := range usual {
		if all[words] == nil {
			t.Errorf("there is no command %s", words)
		}
	}
	for words := range all {
		more, ok := usual[words]
		if !ok {
			t.Errorf("the command %s is not tried here", words)
		}
		for at, urls := range servers {
			for i, name := range []string{"GOPUSH_ADMIN", "GOPUSH_WEB", "GOPUSH_OPS"} {
				t.Setenv(name, urls[i])
			}
			if words != "health" {
				t.Setenv("GOPUSH_OPS", "") // a setting, for all others
			}
			if t.Setenv("GOPUSH_TOKEN", p.all[0]); at == "a server" {
				t.Setenv("GOPUSH_TOKEN", operator)
			}
			for _, form := range [][]string{nil, {"--json"}} {
				got := gopushHere(t.Context(), "x.y.z\n", slices.Concat(form, strings.Fields(words), more)...)
				p.none(t, words+" with "+at, got.out+got.err)
			}
		}
	}
	t.Setenv("GOPUSH_OPS", "")
	p.files(t)
	for _, page := range []string{"/metrics", "/debug/pprof/cmdline", "/debug/pprof/goroutine?debug=2", "/debug/pprof/heap?debug=1", "/readyz"} {
		p.none(t, page, readPage(t, "https://"+b.Addresses.Ops+page))
	}
	server.stop()
	said, _ := server.err.look()
	if !strings.Contains(said, "level=DEBUG") {
		t.Errorf("nothing is logged: %s", said)
	}
	p.none(t, "the log", said)
}

// files has files of secrets used, whole and broken.
func (p *planted) files(t *testing.T) {
	t.Helper()
	settings := slices.Concat([]string{"serve", "--ports-from", "0", "--set", "coordination.user=u", "--set", "coordination.password_file=" + p.path("password")}, p.tls)
	for _, args := range [][]string{
		append(settings, "--set", "tokens.keys_file="+p.keys, "--print-config"),
		append(settings, "--set", "tokens.keys_file="+p.path("wrong-keys")),
		append(settings, "--set", "web.admin_token_file="+p.path("wrong-admins")),
		append(settings, "--set", "web.tls_cert="+p.keys),
		append(settings, "--config", p.path("password")),
		append(settings, "--config", p.keys, "--print-config"),
		append(settings, "--set", "tracing.endpoint=http://user:"+p.all[0]+"@127.0.0.1:1"),
		{"nodes", "--token-file", p.path("wrong-admins")},
		{"token", "mint", "k", "--keys-file", p.path("wrong-keys")},
		{"token", "verify", "x.y.z", "--keys-file", p.path("wrong-keys")},
		{"import", "redis", "--server", "node1=127.0.0.1:1", "--password-file", p.path("password")},
		{"doctor", "--config", p.path("wrong-admins")},
	} {
		got := gopushHere(t.Context(), "", args...)
		p.none(t, strings.Join(args, " "), got.out+got.err)
	}
}

// TestNoSecretIsAFlag: what stands on a command line is seen by everybody on the machine, and in
// /debug/pprof/cmdline. So no flag and no setting takes a secret itself; those that have to do with
// one name a file. The exception is the token that gopush token verify reads, which it also takes
// from standard input.
//
// Broken once by a flag --password.
func TestNoSecretIsAFlag(t *testing.T) {
	secret := regexp.MustCompile(`token|password|secret|key$|credential`)
	fine := regexp.MustCompile(`_file$|-file$|^tokens\.(required|max_life)$|tls_key$|_per_key$|^idempotency-key$`)
	for words, leaf := range leaves(t) {
		for _, group := range leaf.AllFlags(true) {
			for _, f := range group {
				if secret.MatchString(f.Name) && !fine.MatchString(f.Name) {
					t.Errorf("%s has the flag --%s", words, f.Name)
				}
			}
		}
	}
	for _, path := range config.Paths() {
		if secret.MatchString(path) && !fine.MatchString(path) {
			t.Errorf("there is the setting %s", path)
		}
	}
}

// readPage reads a page of a server with a certificate.
func readPage(t *testing.T, url string) string {
	t.Helper()
	trust, err := (&caFlag{CA: os.Getenv("GOPUSH_CA")}).trust()
	if err != nil {
		t.Fatal(err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: trust}}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusServiceUnavailable {
		t.Fatalf("%s: %s, %v", url, resp.Status, err)
	}
	return fmt.Sprint(resp.Header) + string(b)
}
