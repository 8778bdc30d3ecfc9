package hbasetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Process is one of the stack's Java processes. It keeps its configuration and
// its port when it is started again.
type Process struct {
	// immutable
	name  string
	class string
	args  []string
	heap  string
	port  *port // HBase's processes have one
	stack *Stack

	mu      sync.Mutex
	running *run // the last one; nil before the first start
}

// run is one life of a process.
type run struct {
	cmd    *exec.Cmd
	since  time.Time     // before it began
	ended  chan struct{} // closed when it has ended
	paused atomic.Bool
}

func (r *run) alive() bool {
	select {
	case <-r.ended:
		return false
	default:
		return true
	}
}

// Name tells the processes of a stack apart, such as "master".
func (p *Process) Name() string { return p.name }

// LogFile is where its output goes.
func (p *Process) LogFile() string { return filepath.Join(p.stack.dir, "logs", p.name+".log") }

// PID is the id of the process; 0 if it does not run.
func (p *Process) PID() int {
	if r := p.last(); r != nil && r.alive() {
		return r.cmd.Process.Pid
	}
	return 0
}

// working reports whether the process runs and is not paused.
func (p *Process) working() bool {
	r := p.last()
	return r != nil && r.alive() && !r.paused.Load()
}

// is reports whether the server is the present life of this process.
func (p *Process) is(server Server) bool {
	r := p.last()
	return r != nil && r.alive() && p.port != nil && server.Addr == p.port.addr() && int64(server.Started) >= r.since.UnixMilli()
}

func (p *Process) last() *run {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.running
}

// Start starts the process, and does not wait until it serves.
func (p *Process) Start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running != nil && p.running.alive() {
		return fmt.Errorf("%s runs already", p.name)
	}
	p.stack.gate.RLock()
	defer p.stack.gate.RUnlock()
	if p.stack.closed {
		return fmt.Errorf("%s cannot start: its stack is closed", p.name)
	}
	log, err := os.OpenFile(p.LogFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }() // the process has its own
	cmd := p.stack.java.command(context.Background(), p.stack.dir, p.stack.confDir(p.name), p.heap, p.class, p.args...)
	if p.stack.disk != nil && p == p.stack.DataNode() {
		p.stack.disk.see(cmd)
	}
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = p.stack.keeper.attr()
	r := &run{cmd: cmd, since: time.Now(), ended: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	p.running = r
	p.stack.lives.Go(func() {
		_ = cmd.Wait() // how it ended is in its state
		close(r.ended)
	})
	return nil
}

// Kill ends the process by SIGKILL, also if it is paused, and waits for that.
// One that has ended already is an error: a test would not test what it says.
func (p *Process) Kill() error {
	r, err := p.signal(syscall.SIGKILL)
	if err != nil {
		return err
	}
	<-r.ended
	return nil
}

// Pause stops the process in its tracks (SIGSTOP): its connections stay, and
// nothing answers.
func (p *Process) Pause() error {
	r, err := p.signal(syscall.SIGSTOP)
	if err == nil {
		r.paused.Store(true)
	}
	return err
}

// Continue lets a paused process go on (SIGCONT).
func (p *Process) Continue() error {
	r, err := p.signal(syscall.SIGCONT)
	if err == nil {
		r.paused.Store(false)
	}
	return err
}

// Restart kills the process if it runs, and starts it.
func (p *Process) Restart() error {
	if r, err := p.signal(syscall.SIGKILL); err == nil {
		<-r.ended
	}
	return p.Start()
}

func (p *Process) signal(sig syscall.Signal) (*run, error) {
	r := p.last()
	if r == nil || !r.alive() {
		return nil, fmt.Errorf("%s does not run", p.name)
	}
	if err := r.cmd.Process.Signal(sig); err != nil {
		return nil, fmt.Errorf("%s: %w", p.name, err)
	}
	return r, nil
}

// quit asks the process to end in order, and kills it after the grace.
func (p *Process) quit(grace time.Duration) error {
	r, err := p.signal(syscall.SIGTERM)
	if err != nil {
		return nil // it has ended, which is what is wanted
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-r.ended:
		return nil
	case <-timer.C:
		return errors.Join(fmt.Errorf("%s did not end within %s", p.name, grace), p.Kill())
	}
}
