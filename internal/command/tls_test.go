package command

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gopush/internal/cert/certtest"
	"gopush/internal/coord/zk/zktest"
	"gopush/internal/serve"
)

// asRole has this test binary be a process of one role.
const asRole = "GOPUSH_TEST_ROLE"

// roleMain is what such a process does.
func roleMain(name string) int {
	roles, err := serve.ParseRoles(name)
	if err != nil {
		panic(err)
	}
	return Role{Name: name, Roles: roles}.Main()
}

// node is a process of one role.
type node struct {
	cmd   *exec.Cmd
	addrs serve.Addrs
	log   *logged
}

// startNode returns once it listens. It ends with the test.
func startNode(t *testing.T, role, file string) *node {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	n := &node{cmd: exec.CommandContext(context.Background(), self, "--config", file, "--ports-from", "0"), log: new(logged)}
	n.cmd.Env = append(os.Environ(), asRole+"="+role)
	n.cmd.Stderr = n.log
	out, err := n.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = n.cmd.Process.Kill() // it may have ended
		_ = n.cmd.Wait()
	})
	if err := json.NewDecoder(out).Decode(&n.addrs); err != nil {
		t.Fatalf("%s: %v\n%s", role, err, n.log)
	}
	return n
}

// hangup sends SIGHUP and waits for a line that says what became of it.
func (n *node) hangup(t *testing.T, line string) {
	t.Helper()
	before := len(n.log.String())
	if err := n.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	until(t, line, func() bool { return strings.Contains(n.log.String()[before:], line) })
}

// fleet is a process of each role, with TLS on every listener and certificates at both ends
// between them.
type fleet struct {
	t                   *testing.T
	ca                  *certtest.Authority
	listener, rpc       certtest.Files
	message, comet, web *node
	http                *http.Client
}

const fleetToken = "a-token-for-every-web-node"

func startFleet(t *testing.T) *fleet {
	t.Helper()
	server := zktest.Start(t)
	f := &fleet{t: t, ca: certtest.New(t)}
	f.issue()
	dir := t.TempDir()
	token := filepath.Join(dir, "token")
	write(t, token, fleetToken)
	file := filepath.Join(dir, "gopush.yaml")
	pair := fmt.Sprintf("tls_cert: %s, tls_key: %s", f.listener.Cert, f.listener.Key)
	write(t, file, "data: "+filepath.Join(dir, "data")+
		"\ncoordination: {kind: zookeeper, servers: [\""+server.Addr()+"\"]}"+
		"\nrpc: {tls_cert: "+f.rpc.Cert+", tls_key: "+f.rpc.Key+", tls_ca: "+f.ca.File+", tls_name: role.gopush.test}"+
		"\ncomet: {"+pair+", tls_tcp: true}\nweb: {"+pair+", admin_token_file: "+token+"}"+
		"\nops_tls_cert: "+f.listener.Cert+"\nops_tls_key: "+f.listener.Key+"\n")
	f.message, f.comet, f.web = startNode(t, "message", file), startNode(t, "comet", file), startNode(t, "web", file)
	f.http = &http.Client{Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: f.trust()}}
	return f
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// issue puts new certificates into the files.
func (f *fleet) issue() {
	f.t.Helper()
	f.listener = f.ca.Issue(f.t, "listener", []string{"127.0.0.1"}, nil)
	f.rpc = f.ca.Issue(f.t, "rpc", []string{"role.gopush.test"}, nil)
}

func (f *fleet) trust() *tls.Config { return &tls.Config{RootCAs: f.ca.Pool()} }

// all are the processes.
func (f *fleet) all() []*node { return []*node{f.message, f.comet, f.web} }

// shown are the serial numbers that each listener shows to a new connection.
func (f *fleet) shown() map[string]string {
	f.t.Helper()
	pair, err := tls.LoadX509KeyPair(f.rpc.Cert, f.rpc.Key)
	if err != nil {
		f.t.Fatal(err)
	}
	role := &tls.Config{RootCAs: f.ca.Pool(), ServerName: "role.gopush.test", Certificates: []tls.Certificate{pair}}
	comet, found := f.comet.addrs.Comets[0], make(map[string]string)
	for listener, addr := range map[string]string{
		"web.public": f.web.addrs.Public, "web.admin": f.web.addrs.Admin, "comet.http": comet.HTTP, "comet.tcp": comet.TCP, "comet.rpc": comet.RPC,
		"message.rpc": f.message.addrs.Message, "ops of web": f.web.addrs.Ops, "ops of comet": f.comet.addrs.Ops, "ops of message": f.message.addrs.Ops,
	} {
		cfg := f.trust()
		if strings.HasSuffix(listener, ".rpc") {
			cfg = role
		}
		conn, err := tls.Dial("tcp", addr, cfg)
		if err != nil {
			f.t.Fatalf("%s: %v", listener, err)
		}
		found[listener] = conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
		_ = conn.Close()
	}
	return found
}

// ask makes a request.
func (f *fleet) ask(method, url, body string) (status int, text string) {
	req, err := http.NewRequestWithContext(f.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+fleetToken)
	req.Header.Set("Content-Type", "application/json")
	resp, err := f.http.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

func (f *fleet) push(data string) {
	f.t.Helper()
	until(f.t, "pushed", func() bool {
		status, _ := f.ask(http.MethodPost, "https://"+f.web.addrs.Admin+"/v2/messages", `{"key":"k","data":"`+data+`"}`)
		return status == http.StatusCreated
	})
}

// listens are the two kinds of streams that stay open, each over its own TLS connection.
func (f *fleet) listens() (sse, tcp *bufio.Reader) {
	f.t.Helper()
	comet := f.comet.addrs.Comets[0]
	for addr, hello := range map[string]string{
		comet.HTTP: "GET /v2/events?key=k HTTP/1.1\r\nHost: x\r\n\r\n",
		comet.TCP:  "*3\r\n$3\r\nsub\r\n$1\r\nk\r\n$3\r\n600\r\n",
	} {
		conn, err := tls.Dial("tcp", addr, f.trust())
		if err != nil {
			f.t.Fatal(err)
		}
		f.t.Cleanup(func() { _ = conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
		if _, err := io.WriteString(conn, hello); err != nil {
			f.t.Fatal(err)
		}
		if addr == comet.HTTP {
			sse = bufio.NewReader(conn)
			f.hears(sse, "event: live")
		} else {
			tcp = bufio.NewReader(conn)
			f.hears(tcp, "+h")
		}
	}
	return sse, tcp
}

// hears reads until the text has come.
func (f *fleet) hears(r *bufio.Reader, text string) {
	f.t.Helper()
	var got bytes.Buffer
	for !strings.Contains(got.String(), text) {
		b, err := r.ReadByte()
		if err != nil {
			f.t.Fatalf("%v after %q; want %s", err, &got, text)
		}
		got.WriteByte(b)
	}
}

// TestFleetOverTLS: processes of their own, with TLS on all nine listeners and certificates at
// both ends between them. A SIGHUP brings new certificates: whoever connects sees them, streams
// that stand go on, and messages go on flowing. A broken file changes nothing, and the log and the
// metrics say so.
//
// Broken once by not reading the files again, once by leaving ops out, and once by using what
// could not be read.
func TestFleetOverTLS(t *testing.T) {
	f := startFleet(t)
	f.push("first") // the fleet is there
	sse, tcp := f.listens()
	before := f.shown()
	delivered := func(data string) {
		t.Helper()
		f.push(data)
		f.hears(sse, data)
		f.hears(tcp, data)
	}
	delivered("4711")

	f.issue()
	for _, n := range f.all() {
		n.hangup(t, "settings reloaded")
	}
	after := f.shown()
	for listener, number := range before {
		if after[listener] == number {
			t.Errorf("%s shows the certificate from before", listener)
		}
	}
	delivered("4712")
	// Whoever comes later is served like those who were there.
	again, _ := f.listens()
	delivered("4713")
	f.hears(again, "4713")

	good, err := os.ReadFile(f.listener.Cert)
	if err != nil {
		t.Fatal(err)
	}
	write(t, f.listener.Cert, string(good[:len(good)/2]))
	for _, n := range f.all() {
		n.hangup(t, "send SIGHUP again")
		if text := n.log.String(); !strings.Contains(text, f.listener.Cert) {
			t.Errorf("the log does not name the file: %s", text)
		}
		if _, text := f.ask(http.MethodGet, "https://"+n.addrs.Ops+"/metrics", ""); !strings.Contains(text, `gopush_certificate_reload_failures_total{listener="ops"} 1`) {
			t.Errorf("the failure is not counted")
		}
	}
	if now := f.shown(); !maps.Equal(now, after) {
		t.Errorf("a broken file has changed what is shown: %v, %v", after, now)
	}
	delivered("4714")
}
