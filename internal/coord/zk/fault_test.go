package zk

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"gopush/internal/coord"
	"gopush/internal/coord/zk/zktest"
	"gopush/internal/push"
)

// cabled is a coordinator whose connections the test can cut.
func cabled(t *testing.T, server *zktest.Server) (*Coordinator, *cable) {
	t.Helper()
	wire := &cable{}
	cfg := testConfig(server)
	cfg.Dial = wire.dial
	return open(t, cfg), wire
}

// TestCutOff: a primary that loses its connections, and nothing else, ends its
// lease before anybody takes its place, and its term by itself; when it is back,
// it begins anew.
func TestCutOff(t *testing.T) {
	server := zktest.Start(t)
	a, wire := cabled(t, server)
	b, web := open(t, testConfig(server)), open(t, testConfig(server))
	first := serve(t, a, node("node1", "a"))
	second := campaign(t, b, node("node1", "b"))
	a.Register("m:1")
	until(t, web, "both", func(v *coord.View) bool { return len(v.Nodes) == 2 && len(v.Messages) == 1 })

	wire.snap(false)
	at := time.Now()
	becomes(t, "the end of the lease", func() bool { return !first.Valid() })
	t.Logf("the lease ended after %s", time.Since(at))
	select {
	case <-second:
		t.Fatal("there was a successor before the lease had ended")
	default:
	}
	becomes(t, "a complaint", func() bool { return a.Health() != nil })
	becomes(t, "a status that says so", func() bool { s := a.Status(); return !s.Connected && s.Silence > time.Second })
	next := await(t, "a successor", second)
	t.Logf("with a session of 2s, the successor serves after %s", time.Since(at))
	if first.Valid() || next.Epoch() != 2 || next.Floor() < first.Ceiling() {
		t.Errorf("valid %t; epoch %d, floor %d after %d", first.Valid(), next.Epoch(), next.Floor(), first.Ceiling())
	}
	until(t, web, "a message node less", func(v *coord.View) bool { return len(v.Messages) == 0 })
	await(t, "the end of the term, without any news", first.Done())

	wire.mend()
	becomes(t, "another session", func() bool {
		s := a.Status()
		return s.Connected && s.Begun == 2 && s.Lost == 1 && s.Silence < time.Second
	})
	until(t, web, "the message node again", func(v *coord.View) bool { return len(v.Messages) == 1 })
	third := campaign(t, a, node("node1", "a"))
	if err := next.Resign(bounded(t)); err != nil {
		t.Fatal(err)
	}
	if last := await(t, "the first node again", third); last.Epoch() != 3 {
		t.Errorf("epoch %d", last.Epoch())
	}
}

// TestFlicker: connections that break and come back within the session take
// nothing away, and watches still work.
func TestFlicker(t *testing.T) {
	server := zktest.Start(t)
	a, wire := cabled(t, server)
	b := open(t, testConfig(server))
	first := serve(t, a, node("node1", "a"))
	for i := range 5 {
		had := wire.connections()
		wire.snap(true)
		becomes(t, "another connection", func() bool { return wire.connections() > had })
		leave := b.Register("m:1")
		until(t, a, "a message node", func(v *coord.View) bool { return len(v.Messages) == 1 })
		leave()
		until(t, a, "its leaving", func(v *coord.View) bool { return len(v.Messages) == 0 })
		if err := first.Raise(bounded(t), first.Ceiling()+1); err != nil {
			t.Fatalf("round %d: %v", i, err)
		}
	}
	becomes(t, "a lease", first.Valid)
	if first.Over() || first.Epoch() != 1 {
		t.Error("the term has ended")
	}
}

// TestLostWatches: without any event of a watch, everything is seen a little
// later, and a successor still comes to serve.
func TestLostWatches(t *testing.T) {
	server := zktest.Start(t)
	wire := &cable{noWatches: true}
	cfg := testConfig(server)
	cfg.Dial = wire.dial
	deaf, other := open(t, cfg), open(t, testConfig(server))
	first := serve(t, other, node("node1", "a"))
	second := campaign(t, deaf, node("node1", "b"))
	other.Register("m:1")
	until(t, deaf, "the message node", func(v *coord.View) bool { return len(v.Messages) == 1 })
	until(t, other, "both", func(v *coord.View) bool { return len(v.Nodes) == 2 })
	if err := first.Resign(bounded(t)); err != nil {
		t.Fatal(err)
	}
	await(t, "the alternate", second)
}

// TestLostAnswers: what was done though the answer was lost is found, and
// nothing is done twice.
func TestLostAnswers(t *testing.T) {
	server := zktest.Start(t)
	a, wire := cabled(t, server)
	web := open(t, testConfig(server))
	becomes(t, "a first picture", func() bool { return web.Health() == nil })
	wire.loseAnswerTo("/comets/node1.")
	term := serve(t, a, node("node1", "a"))
	if !wire.lost() {
		t.Fatal("no answer was lost")
	}
	v := until(t, web, "the node", func(v *coord.View) bool { return servedBy("node1", "a:1", 1)(v) })
	if len(v.Nodes) != 1 {
		t.Errorf("there are ghosts: %+v", v.Nodes)
	}
	wire.loseAnswerTo("/ceilings/node1")
	was := term.Ceiling()
	if err := term.Raise(bounded(t), was+1); err != nil || !wire.lost() {
		t.Fatalf("%v, lost %t", err, wire.lost())
	}
	if err := term.Resign(bounded(t)); err != nil {
		t.Fatal(err)
	}
	wire.loseAnswerTo("/terms/node2")
	if other := serve(t, a, node("node2", "a")); other.Epoch() != 1 || other.Floor() < term.Ceiling() || !wire.lost() {
		t.Errorf("epoch %d, floor %d after %d, lost %t", other.Epoch(), other.Floor(), term.Ceiling(), wire.lost())
	}
}

// TestServerPaused: while ZooKeeper hangs, the primary stops in time; when it
// goes on, somebody serves again, whatever became of the session.
func TestServerPaused(t *testing.T) {
	server := zktest.Start(t)
	a, web := open(t, testConfig(server)), open(t, testConfig(server))
	first := serve(t, a, node("node1", "a"))
	server.Pause()
	becomes(t, "the end of the lease", func() bool { return !first.Valid() })
	server.Continue()
	at := time.Now()
	var epoch int64
	becomes(t, "the lease again, or the end of the term", func() bool { return first.Valid() || first.Over() })
	if first.Over() {
		epoch = serve(t, a, node("node1", "a")).Epoch()
	} else {
		epoch = first.Epoch()
	}
	t.Logf("served again under epoch %d after %s", epoch, time.Since(at))
	until(t, web, "the primary", servedBy("node1", "a:1", epoch))
}

// TestCloseWithoutAnswer: whoever stops does not wait for a ZooKeeper that hangs.
func TestCloseWithoutAnswer(t *testing.T) {
	server := zktest.Start(t)
	a := open(t, testConfig(server))
	first := serve(t, a, node("node1", "a"))
	server.Pause()
	defer server.Continue()
	at := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := first.Resign(ctx)
	if state, _ := first.State(); state.Why == "" && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("resigned though nobody has answered: %v", err) // unless the term has ended before, on a slow machine
	}
	if first.Valid() {
		t.Error("it is valid")
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	t.Logf("closed after %s", time.Since(at))
}

// TestServerRestarted: ZooKeeper is killed and started again; nobody has to be
// restarted with it, and a session that lives on is the same term.
func TestServerRestarted(t *testing.T) {
	server := zktest.Start(t)
	a, web := open(t, testConfig(server)), open(t, testConfig(server))
	first := serve(t, a, node("node1", "a"))
	until(t, web, "the owner", func(v *coord.View) bool { _, ok := v.Owner("k"); return ok })
	server.Kill()
	becomes(t, "the end of the lease", func() bool { return !first.Valid() })
	if _, ok := web.View().Owner("k"); !ok {
		t.Error("the picture is lost with ZooKeeper")
	}
	server.Start()
	becomes(t, "the lease again, or the end of the term", func() bool { return first.Valid() || first.Over() })
	if first.Over() {
		first = serve(t, a, node("node1", "a"))
	}
	until(t, web, "the primary", servedBy("node1", "a:1", first.Epoch()))
	if err := first.Raise(bounded(t), first.Ceiling()+1); err != nil {
		t.Error(err)
	}
}

// TestStartBeforeZooKeeper: whoever starts first waits, and says so.
func TestStartBeforeZooKeeper(t *testing.T) {
	server := zktest.New(t)
	a := open(t, testConfig(server))
	won := campaign(t, a, node("node1", "a"))
	a.Register("m:1")
	if err := a.Health(); err == nil {
		t.Error("it claims to be well")
	}
	if v := a.View(); v.Version != 0 || len(v.Groups) != 0 {
		t.Errorf("it sees %+v", v)
	}
	server.Start()
	if term := await(t, "the term", won); term.Epoch() != 1 || !term.Valid() {
		t.Errorf("epoch %d, valid %t", term.Epoch(), term.Valid())
	}
	until(t, a, "the message node", func(v *coord.View) bool { return len(v.Messages) == 1 })
	becomes(t, "health", func() bool { return a.Health() == nil })
}

// TestWiped: an operator deletes everything under the root. The cluster comes
// back, above all that was.
func TestWiped(t *testing.T) {
	server := zktest.Start(t)
	a := open(t, testConfig(server))
	first := serve(t, a, node("node1", "a"))
	until(t, a, "the ring", func(v *coord.View) bool { return v.RingVersion == 1 })
	wipe(t, server, string(a.paths))
	await(t, "the end of the term", first.Done())
	second := serve(t, a, node("node1", "a"))
	if second.Epoch() <= first.Epoch() || second.Floor() < first.Ceiling() {
		t.Errorf("epoch %d after %d, floor %d after %d", second.Epoch(), first.Epoch(), second.Floor(), first.Ceiling())
	}
	until(t, a, "a new version of the ring", func(v *coord.View) bool { return v.RingVersion > 1 })
}

// TestProcessKilled: a primary in a process of its own is killed.
func TestProcessKilled(t *testing.T) {
	server := zktest.Start(t)
	child := exec.CommandContext(bounded(t), os.Args[0], "-test.run=^TestChild$", "-test.count=1")
	child.Env = append(os.Environ(), childEnv+"="+server.Addr())
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = child.Wait() }() // it was killed
	var epoch int64
	var ceiling push.ID
	lines := bufio.NewScanner(out)
	for epoch == 0 && lines.Scan() {
		_, _ = fmt.Sscanf(strings.TrimSpace(lines.Text()), "serving %d up to %d", &epoch, &ceiling)
	}
	if epoch != 1 {
		t.Fatalf("the child serves under epoch %d", epoch)
	}
	b := open(t, testConfig(server))
	won := campaign(t, b, node("node1", "b"))
	until(t, b, "both", func(v *coord.View) bool { return len(v.Nodes) == 2 })
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	next := await(t, "a successor", won)
	t.Logf("with a session of 2s, the successor serves %s after the kill", time.Since(at))
	if next.Epoch() != 2 || next.Floor() < ceiling {
		t.Errorf("epoch %d, floor %d after %d", next.Epoch(), next.Floor(), ceiling)
	}
}

// childEnv makes this program the child of TestProcessKilled.
const childEnv = "GOPUSH_TEST_ZK_CHILD"

// TestChild is the child; in the parent it has nothing to do.
func TestChild(t *testing.T) {
	addr := os.Getenv(childEnv)
	if addr == "" {
		return
	}
	c := open(t, Config{Servers: []string{addr}, Root: "/gopush/test", Session: 2 * time.Second})
	term := serve(t, c, node("node1", "child"))
	_, _ = fmt.Printf("\nserving %d up to %d\n", term.Epoch(), term.Ceiling()) // for the parent
	<-t.Context().Done()
}
