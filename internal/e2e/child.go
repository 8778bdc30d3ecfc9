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
}

// startChild runs a child and waits for its addresses, which it writes once it
// serves.
func (c *Cluster) startChild(cfg serve.Config) (process, Addrs, error) {
	p, addrs, err := spawn(filepath.Join(c.dir, "log"), childConfig{
		Settings: cfg.Settings, More: cfg.MoreComets, Skew: time.Duration(c.skew.Load()), MemTable: c.opts.MemTableBytes,
		Gate: string(c.opts.Gate), Program: c.opts.Program,
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
	p := &child{cmd: cmd, stdin: stdin, exited: make(chan error, 1)}
	var addrs Addrs
	err = json.NewDecoder(bufio.NewReader(stdout)).Decode(&addrs)
	go func() { p.exited <- cmd.Wait() }()
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
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // ends when the parent does
		os.Exit(1)
	}()
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer cancel()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	now := func() time.Time { return time.Now().Add(cfg.Skew) }
	system, err := serve.New(serve.Config{
		Settings: cfg.Settings, MoreComets: cfg.More, Roles: cfg.Roles, Now: now,
		OpenStore: func(dir string) (message.Store, error) {
			store, err := embedded.Open(embedded.Config{Dir: dir, MemTableBytes: cfg.MemTable}, log, now)
			if err != nil || cfg.Gate == "" {
				return store, err
			}
			return gated{store, Gate(cfg.Gate)}, nil
		},
	}, log)
	if err != nil {
		return err
	}
	tell := func() error { return json.NewEncoder(os.Stdout).Encode(addrsOf(system.Addrs(), system.Token())) }
	ready := system.Ready()
	if cfg.Roles != 0 { // whoever started it looks for itself when it serves
		if err := tell(); err != nil {
			return errors.Join(err, system.Close())
		}
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
