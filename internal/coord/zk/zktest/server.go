package zktest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gopush/hbase/hbasetest"
)

// Server is one ZooKeeper server. Its methods fail the test when they cannot do
// what they say.
type Server struct {
	tb   testing.TB
	dir  string
	port int
	jars string
	cmd  *exec.Cmd // nil: it does not run
	ends io.Closer // the keeper's input
	keep *exec.Cmd
}

// New takes an address and starts nothing.
func New(tb testing.TB) *Server {
	tb.Helper()
	s := prepare(tb)
	s.write("zoo.cfg", s.config())
	return s
}

// Start is New, and the server serves.
func Start(tb testing.TB) *Server {
	tb.Helper()
	s := New(tb)
	s.Start()
	return s
}

// StartEnsemble starts servers that serve together, as long as most of them run.
func StartEnsemble(tb testing.TB, n int) []*Server {
	tb.Helper()
	all := NewEnsemble(tb, n)
	StartAll(all...)
	return all
}

// NewEnsemble takes the addresses of servers that belong together and starts nothing. A
// single one is as that of New.
func NewEnsemble(tb testing.TB, n int) []*Server {
	tb.Helper()
	if n == 1 {
		return []*Server{New(tb)}
	}
	all := make([]*Server, n)
	peers := []string{"initLimit=50", "syncLimit=25"}
	for i := range all {
		all[i] = prepare(tb)
		peers = append(peers, fmt.Sprintf("server.%d=127.0.0.1:%d:%d", i+1, hbasetest.HoldPort(tb), hbasetest.HoldPort(tb)))
	}
	for i, s := range all {
		s.write("zoo.cfg", s.config()+strings.Join(peers, "\n")+"\n")
		s.write(filepath.Join("data", "myid"), strconv.Itoa(i+1))
	}
	return all
}

// StartAll starts servers at once, as none of an ensemble serves alone, and returns when
// all of them serve.
func StartAll(all ...*Server) {
	for _, s := range all {
		s.launch()
	}
	for _, s := range all {
		s.wait()
	}
}

// prepare takes an address.
func prepare(tb testing.TB) *Server {
	tb.Helper()
	dir, err := jars()
	if err != nil {
		tb.Fatal(err)
	}
	s := &Server{tb: tb, dir: tb.TempDir(), jars: dir, port: hbasetest.HoldPort(tb)}
	s.startKeeper()
	tb.Cleanup(s.close)
	return s
}

// write writes a file of the server's.
func (s *Server) write(name, text string) {
	s.tb.Helper()
	path := filepath.Join(s.dir, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		s.tb.Fatal(err)
	}
}

// Addr is its address, host:port.
func (s *Server) Addr() string { return fmt.Sprintf("127.0.0.1:%d", s.port) }

// config grants sessions of a second and more, to the fifth of a second.
func (s *Server) config() string {
	return strings.Join([]string{
		"dataDir=" + filepath.Join(s.dir, "data"),
		fmt.Sprint("clientPort=", s.port),
		"clientPortAddress=127.0.0.1",
		"tickTime=200", "minSessionTimeout=1000", "maxSessionTimeout=60000",
		"maxClientCnxns=0", "admin.enableServer=false", "preAllocSize=1024",
		"4lw.commands.whitelist=ruok,srvr",
		"",
	}, "\n")
}

// startKeeper starts a shell that leads the server's process group, and kills
// it when its input ends: at the latest with this process.
func (s *Server) startKeeper() {
	s.keep = exec.Command("/bin/sh", "-c", "trap '' INT TERM HUP QUIT; read -r line; kill -9 0") //nolint:noctx // it ends with its input
	s.keep.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := s.keep.StdinPipe()
	if err != nil {
		s.tb.Fatal(err)
	}
	s.ends = in
	if err := s.keep.Start(); err != nil {
		s.tb.Fatal(err)
	}
}

// Start starts the server with the data it has, and returns when it serves.
func (s *Server) Start() {
	s.tb.Helper()
	s.launch()
	s.wait()
}

func (s *Server) launch() {
	s.tb.Helper()
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.tb.Fatal(err)
	}
	defer func() { _ = log.Close() }()                                                                         // the process has its own
	s.cmd = exec.Command("java", "-Xmx64m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", //nolint:noctx // it ends with the keeper
		"-cp", s.jars+"/*", "org.apache.zookeeper.server.quorum.QuorumPeerMain", filepath.Join(s.dir, "zoo.cfg"))
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: s.keep.Process.Pid}
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		s.tb.Fatal(err)
	}
}

func (s *Server) wait() {
	s.tb.Helper()
	for end := time.Now().Add(time.Minute); !s.serves(); {
		if time.Now().After(end) {
			text, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			s.tb.Fatalf("ZooKeeper does not serve:\n%s", text)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// serves reports whether the server does.
func (s *Server) serves() bool {
	return s.ask("ruok") == "imok" && strings.Contains(s.ask("srvr"), "Mode: ")
}

// Leads reports whether the server is the leader of its ensemble.
func (s *Server) Leads() bool { return strings.Contains(s.ask("srvr"), "Mode: leader") }

// Count is what the server has done since it started: changes of its data, sessions
// included, and requests of all kinds.
func (s *Server) Count() (changes, requests int64) {
	s.tb.Helper()
	text := s.ask("srvr")
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		n, err := strconv.ParseInt(value, 0, 64)
		switch {
		case err != nil:
		case name == "Zxid":
			changes = n & (1<<32 - 1) // what is above counts the leaders
		case name == "Received":
			requests = n
		}
	}
	if changes == 0 || requests == 0 {
		s.tb.Fatalf("the server says of itself: %q", text)
	}
	return changes, requests
}

// ask has one of the server's four-letter words answered; "" if it does not.
func (s *Server) ask(word string) string {
	conn, err := net.DialTimeout("tcp", s.Addr(), time.Second) //nolint:noctx // it has a timeout
	if err != nil {
		return ""
	}
	defer func() { _ = conn.Close() }() // it has answered, or not
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return ""
	}
	if _, err := io.WriteString(conn, word); err != nil {
		return ""
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		return ""
	}
	return string(answer)
}

// Kill ends the server at once; what it has acknowledged is on disk.
func (s *Server) Kill() {
	s.tb.Helper()
	s.signal(syscall.SIGKILL)
	_ = s.cmd.Wait() // it says that it was killed
	s.cmd = nil
}

// Pause stops the server in its tracks: connections stay, and nothing answers.
func (s *Server) Pause() { s.tb.Helper(); s.signal(syscall.SIGSTOP) }

// Continue lets a paused server go on.
func (s *Server) Continue() { s.tb.Helper(); s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.tb.Helper()
	if s.cmd == nil {
		s.tb.Fatal("ZooKeeper does not run")
	}
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.tb.Fatal(err)
	}
}

// close ends whatever runs.
func (s *Server) close() {
	_ = s.ends.Close() // the keeper kills the group, itself included
	_ = s.keep.Wait()
	if s.cmd != nil {
		_ = s.cmd.Wait()
	}
}
