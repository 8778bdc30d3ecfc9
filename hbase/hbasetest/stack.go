package hbasetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Stack is a running HBase with all that it needs. Its methods may be called
// concurrently.
type Stack struct {
	// immutable after Begin
	opts      Options
	dir       string
	unlock    func() // the folder; nil: it is not locked
	java      *java
	keeper    *keeper
	disk      *disk // of the first data node; nil: it uses that of this machine
	ports     []*port
	processes []*Process // each needs some of those before it
	began     time.Time

	lives sync.WaitGroup // the goroutines that wait for a process
	kept  atomic.Bool    // the folder stays

	gate   sync.RWMutex // held for reading while a process starts
	closed bool         // guarded by gate: no process starts any more

	mu sync.Mutex // guards opts.Progress
}

// Start brings a stack up and returns when it serves. The processes end with
// Close, or with this process.
func Start(ctx context.Context, opts Options) (*Stack, error) {
	s, err := Begin(ctx, opts)
	if err != nil {
		return nil, err
	}
	if err := s.serves(ctx); err != nil {
		err = fmt.Errorf("%w\n%s", err, s.Logs(15))
		s.Keep() // for somebody to read the rest of the logs
		return nil, errors.Join(err, s.Close())
	}
	s.say("HBase serves")
	return s, nil
}

// serves is Wait for a stack that has just started: it must be complete.
func (s *Stack) serves(ctx context.Context) error {
	if err := s.Wait(ctx); err != nil {
		return err
	}
	for _, p := range s.processes {
		if p.PID() == 0 {
			return fmt.Errorf("%s has ended", p.name)
		}
	}
	return nil
}

// Begin starts a stack and does not wait until it serves; Wait does. Its
// address is known and will not change.
func Begin(ctx context.Context, opts Options) (*Stack, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	s := &Stack{opts: opts, began: time.Now()}
	if err := s.begin(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Stack) begin(ctx context.Context) error {
	formatted, err := s.prepare(ctx)
	if err != nil {
		return err
	}
	if err := s.makeDir(formatted); err != nil {
		return err
	}
	if err := s.plan(); err != nil {
		return err
	}
	if s.keeper, err = startKeeper(); err != nil {
		return err
	}
	if s.opts.DataNodeBytes > 0 {
		if s.disk, err = makeDisk(s.blocksDir(s.DataNode()), s.opts.DataNodeBytes, s.keeper); err != nil {
			return err
		}
	}
	s.say("starting ZooKeeper, HDFS and HBase in " + s.dir)
	return s.StartAll()
}

// ZooKeeper is its address, which is all that a client has to know.
func (s *Stack) ZooKeeper() string { return s.ports[portZooKeeper].addr() }

// Dir is where data, configuration and logs are.
func (s *Stack) Dir() string { return s.dir }

// Wait returns when HBase serves with the processes that run and are not
// paused: it has noticed which those are, and has every region open.
func (s *Stack) Wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	check := func(ctx context.Context) error { return s.cluster().check(ctx, s.noticed) }
	return wait(ctx, check, s.say, s.needed)
}

func (s *Stack) cluster() cluster { return cluster(s.ZooKeeper()) }

// noticed compares what HBase believes of its region servers with what is.
func (s *Stack) noticed(live []Server) error {
	var up int
	for _, p := range s.RegionServers() {
		serving := slices.ContainsFunc(live, p.is)
		switch {
		case p.working() && !serving:
			return notYetError(p.name + " is not registered")
		case p.working():
			up++
		}
	}
	if len(live) > up {
		return notYetError("a region server that is gone still counts")
	}
	return nil
}

// needed returns an error if a process has ended without which nothing works.
func (s *Stack) needed() error {
	up := 0
	for _, p := range s.processes {
		if p.working() && p.class == regionServerClass {
			up++
		}
		if p.PID() == 0 && p.class != regionServerClass {
			return fmt.Errorf("%s does not run", p.name)
		}
	}
	if up == 0 {
		return errors.New("no region server runs")
	}
	return nil
}

// Logs is the end of the logs: of those processes that have ended, if there are
// any, and else of all. The places in the code are left out.
func (s *Stack) Logs(lines int) string {
	ended := slices.DeleteFunc(s.Processes(), func(p *Process) bool { return p.PID() != 0 })
	if len(ended) == 0 {
		ended = s.processes
	}
	var b strings.Builder
	for _, p := range ended {
		text, err := os.ReadFile(p.LogFile())
		if err != nil {
			text = []byte(err.Error())
		}
		fmt.Fprintf(&b, "--- %s: %s\n%s\n", p.name, p.LogFile(), tail(withoutTraces(text), lines))
	}
	return b.String()
}

var traceLine = regexp.MustCompile(`(?m)^\s+(at |\.\.\. ).*\n?`)

func withoutTraces(text []byte) []byte { return traceLine.ReplaceAll(text, nil) }

// Keep has Close leave a temporary folder where it is, for somebody to look at.
func (s *Stack) Keep() { s.kept.Store(true) }

// Close ends all processes: in order if the data stays, at once otherwise. Only
// the first call does anything.
func (s *Stack) Close() error {
	if s.close() {
		return nil
	}
	var errs []error
	if s.opts.Dir != "" && s.keeper != nil && s.needed() == nil {
		errs = append(errs, s.quit())
	}
	if s.keeper != nil {
		s.keeper.killAll()
	}
	if s.disk != nil {
		s.disk.close()
	}
	s.lives.Wait()
	for _, p := range s.ports {
		p.release()
	}
	if s.opts.Dir == "" && s.dir != "" && !s.kept.Load() {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	if s.unlock != nil {
		s.unlock()
	}
	return errors.Join(errs...)
}

// close lets no more processes start, and reports whether that was so before.
func (s *Stack) close() (before bool) {
	s.gate.Lock()
	defer s.gate.Unlock()
	before, s.closed = s.closed, true
	return before
}

// quit has the region servers write what they hold into files, so that the next
// start has no logs to go through. The master would move regions meanwhile, and
// like everybody else it can be killed without harm.
func (s *Stack) quit() error {
	const grace = 20 * time.Second
	if m := s.Master(); m.PID() != 0 {
		_ = m.Kill() // it may have ended just now
	}
	var g errgroup.Group
	for _, p := range s.RegionServers() {
		s.say("stopping " + p.name)
		g.Go(func() error { return p.quit(grace) })
	}
	return g.Wait()
}

// say writes a line of progress.
func (s *Stack) say(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = fmt.Fprintf(s.opts.Progress, "%5.1fs  %s\n", time.Since(s.began).Seconds(), text)
}

func (s *Stack) confDir(name string) string { return filepath.Join(s.dir, "conf", name) }
