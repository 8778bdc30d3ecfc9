package e2e

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"gopush/internal/serve"
	"gopush/message"
	"gopush/message/embedded"
)

// childEnv is the variable that makes a test binary a server: its value is a
// childConfig.
const childEnv = "GOPUSH_E2E_SERVE"

// brokenEnv is the variable that names what is broken in a child.
const brokenEnv = "GOPUSH_E2E_BROKEN"

// Program is what a child runs: this test binary, if it is zero.
type Program struct {
	Path   string // of another test binary of this package
	Broken string // what is broken there; only such a binary looks at it
}

// child is a cluster in a process of its own: a test binary, started again.
type child struct {
	cmd    *exec.Cmd
	stdin  io.Closer // its end is the child's: it does not outlive its parent
	exited chan error
	orders *control // through stdin
}

// startChild runs a child and waits for its addresses, which it writes once it
// serves.
func (c *Cluster) startChild(cfg serve.Config) (process, Addrs, error) {
	p, addrs, err := spawn(filepath.Join(c.dir, "log"), childConfig{
		Settings: cfg.Settings, More: cfg.MoreComets, MemTable: c.opts.MemTableBytes,
		Hardship: hardship{Skew: time.Duration(c.skew.Load())},
		Gate:     string(c.opts.Gate), Program: c.opts.Program,
	})
	if err != nil {
		return nil, Addrs{}, err
	}
	return p, addrs, nil
}

// spawn runs a child and waits for its addresses.
func spawn(logFile string, cfg childConfig) (*child, Addrs, error) {
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, Addrs{}, err
	}
	defer func() { _ = log.Close() }() // the child has its own
	cmd := exec.Command(cmp.Or(cfg.Program.Path, os.Args[0]))
	cmd.Env = append(os.Environ(), childEnv+"="+cfg.text(), brokenEnv+"="+cfg.Program.Broken)
	cmd.Stderr = log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, Addrs{}, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, Addrs{}, err
	}
	if err := cmd.Start(); err != nil {
		return nil, Addrs{}, err
	}
	p := &child{cmd: cmd, stdin: stdin, exited: make(chan error, 1), orders: newControl(stdin)}
	var addrs Addrs
	says := json.NewDecoder(bufio.NewReader(stdout))
	err = says.Decode(&addrs)
	go func() {
		p.orders.hear(says) // to the end of its output; Wait closes that
		p.exited <- cmd.Wait()
	}()
	if err != nil {
		return nil, Addrs{}, errors.Join(fmt.Errorf("the child ended before it served; its log is %s", log.Name()), <-p.exited)
	}
	return p, addrs, nil
}

func (p *child) pid() int { return p.cmd.Process.Pid }

func (p *child) kill() error {
	if err := p.cmd.Process.Kill(); err != nil {
		return err // it had ended already, which it must not
	}
	return p.ended(func(s *os.ProcessState) bool {
		status, ok := s.Sys().(syscall.WaitStatus)
		return ok && status.Signal() == syscall.SIGKILL
	})
}

// stop asks for an orderly end, and does not wait for it for ever.
func (p *child) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	timer := time.AfterFunc(30*time.Second, func() { _ = p.cmd.Process.Kill() })
	defer timer.Stop()
	return p.ended((*os.ProcessState).Success)
}

// ended waits for the process and judges how it ended.
func (p *child) ended(fine func(*os.ProcessState) bool) error {
	err := <-p.exited
	_ = p.stdin.Close() // nobody reads it any more
	if !fine(p.cmd.ProcessState) {
		return fmt.Errorf("the child ended with %s: %w", p.cmd.ProcessState, err)
	}
	return nil
}

// still reports whether all threads of the process are stopped.
func (p *child) still() (bool, string) {
	if p == nil {
		return false, "gone"
	}
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", p.pid()))
	if err != nil || len(threads) == 0 {
		return false, fmt.Sprintf("gone (%v)", err)
	}
	for _, thread := range threads {
		text, err := os.ReadFile(thread)
		// The state is behind the name, which ends at the last parenthesis.
		_, state, ok := strings.Cut(string(text[strings.LastIndexByte(string(text), ')')+1:]), " ")
		if err != nil || !ok || !strings.HasPrefix(state, "T") {
			return false, fmt.Sprintf("running: %s (%v)", text, err)
		}
	}
	return true, ""
}

// ServeChild makes this process the server that its environment describes, and
// does not return then. TestMain calls it first.
func ServeChild() {
	text, ok := os.LookupEnv(childEnv)
	if !ok {
		return
	}
	if err := serveChild(text); err != nil {
		fmt.Fprintln(os.Stderr, "child:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func serveChild(text string) error {
	var cfg childConfig
	if err := json.Unmarshal([]byte(text), &cfg); err != nil {
		return err
	}
	state := newControlled(cfg.Hardship, cfg.Settings.Coordination.Servers)
	defer state.network.Close()
	go func() {
		state.obey(os.Stdin, os.Stdout) // ends when the parent does
		os.Exit(1)
	}()
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	system, err := serve.New(cfg.system(state, log), log)
	if err != nil {
		return err
	}
	tell := func() error { return json.NewEncoder(os.Stdout).Encode(addrsOf(system.Addrs(), system.Token())) }
	ready := system.Ready()
	if cfg.Roles != 0 { // whoever started it looks for itself when it serves
		if err := tell(); err != nil {
			return errors.Join(err, system.Close())
		}
		state.await(ctx)
		ready = nil
	}
	done := make(chan error, 1)
	go func() { done <- system.Run(ctx) }()
	select {
	case <-ready:
		if err := tell(); err != nil {
			return err
		}
		err = <-done
	case err = <-done:
	}
	return errors.Join(err, system.Close())
}

// system is what the child runs. Connections of a process with all roles stay what they
// are outside of tests: nothing is to be cut there.
func (c *childConfig) system(state *controlled, log *slog.Logger) serve.Config {
	cfg := serve.Config{
		Settings: c.Settings, MoreComets: c.More, Roles: c.Roles, Now: state.now,
		OpenStore: func(dir string) (message.Store, error) {
			store, err := embedded.Open(embedded.Config{Dir: dir, MemTableBytes: c.MemTable}, log, state.now)
			if err != nil || c.Gate == "" {
				return store, err
			}
			return gated{store, Gate(c.Gate)}, nil
		},
	}
	if c.Roles != 0 {
		cfg.Dial = state.network.Dial
	}
	return cfg
}
