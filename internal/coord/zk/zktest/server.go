package zktest

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
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
	dir, err := jars()
	if err != nil {
		tb.Fatal(err)
	}
	s := &Server{tb: tb, dir: tb.TempDir(), jars: dir, port: freePort(tb)}
	s.startKeeper()
	tb.Cleanup(s.close)
	if err := os.WriteFile(filepath.Join(s.dir, "zoo.cfg"), []byte(s.config()), 0o600); err != nil {
		tb.Fatal(err)
	}
	return s
}

// Start is New, and the server serves.
func Start(tb testing.TB) *Server {
	tb.Helper()
	s := New(tb)
	s.Start()
	return s
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
		"4lw.commands.whitelist=ruok",
		"",
	}, "\n")
}

// freePort is one that nobody listens on. The system gives it to nobody else
// soon.
func freePort(tb testing.TB) int {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it returns at once
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = l.Close() }() // it was only to learn the port
	addr, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		tb.Fatalf("not an address of TCP: %s", l.Addr())
	}
	return addr.Port
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
	for end := time.Now().Add(time.Minute); !s.serves(); {
		if time.Now().After(end) {
			text, _ := os.ReadFile(filepath.Join(s.dir, "log"))
			s.tb.Fatalf("ZooKeeper does not serve:\n%s", text)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// serves asks the server whether it does.
func (s *Server) serves() bool {
	conn, err := net.DialTimeout("tcp", s.Addr(), time.Second) //nolint:noctx // it has a timeout
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }() // it has answered, or not
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return false
	}
	if _, err := io.WriteString(conn, "ruok"); err != nil {
		return false
	}
	answer, err := io.ReadAll(conn)
	return err == nil && string(answer) == "imok"
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
