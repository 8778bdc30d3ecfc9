package composetest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"gopush/internal/e2e"
)

// How long things may take, on a slow machine that builds something else besides.
const (
	healthPatience = 8 * time.Minute
	// hold is how long a fault lasts at least: longer than the sessions of gopush (4 s)
	// and of HBase (10 s), so that others have to take over.
	hold = 12 * time.Second
	// askEvery is how often Docker is asked for the health of everything.
	askEvery = time.Second
)

// Run brings the cluster up, has both protocols prove themselves, hits every service as
// planned, and takes everything down. root is the root of the tree.
func Run(t *testing.T, root, wanted string) {
	t.Helper()
	hits, err := plan(wanted)
	if err != nil {
		t.Fatal(err)
	}
	p, err := newProject(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the project is %s; if this test is killed: %s down -v", p.name, strings.Join(p.compose, " "))
	t.Cleanup(func() {
		began := time.Now()
		if err := p.down(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("take it down: %v", err)
		}
		t.Logf("taken down in %s; no container, network or volume is left", since(began))
	})
	began := time.Now()
	if err := p.up(t.Context()); err != nil {
		p.tell(t)
		t.Fatalf("bring it up: %v", err)
	}
	p.healthy(t, time.Time{})
	t.Logf("everything is built, up and healthy after %s", since(began))
	cluster := e2e.Remote(t, p.addrs)
	t.Run("protocols", func(t *testing.T) { protocols(t, cluster) })
	for _, h := range hits {
		// What one fault has broken would fail all that follow.
		if !t.Run(h.String(), func(t *testing.T) { p.survive(t, h) }) {
			return
		}
	}
}

// survive hits one service under load, and proves that nothing acknowledged was lost.
func (p *project) survive(t *testing.T, h hit) {
	t.Helper()
	cluster := e2e.Remote(t, p.addrs)
	keys := make([]string, 4) // some of each group
	for i := range keys {
		keys[i] = fmt.Sprintf("%s-%d", h, i)
	}
	load := e2e.StartSteady(t, cluster, false, keys...)
	load.Acked(5)
	b, err := p.aim(t.Context(), h)
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := b.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	e2e.Pause(t.Context(), hold)
	if h.service.spare {
		load.Acked(5) // of every key, without the one that was hit
	}
	lasted := since(began)
	if err := b.end(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended := time.Now()
	p.healthy(t, ended)
	recovered := since(ended)
	load.Acked(5)
	stall := load.Stall(began, keys...).Round(100 * time.Millisecond)
	load.Prove()
	t.Logf("%s for %s: a key was without an ack for %s at most; all healthy %s after its end", h, lasted, stall, recovered)
}

// healthy waits until every service is, by checks that began after since.
func (p *project) healthy(t *testing.T, since time.Time) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), healthPatience)
	defer cancel()
	for {
		sick, err := p.sick(ctx, since)
		if err == nil && sick == "" {
			return
		}
		if !e2e.Pause(ctx, askEvery) {
			p.tell(t)
			t.Fatalf("not healthy after %s: %s (%v)", healthPatience, sick, err)
		}
	}
}

// tell logs the ends of the logs of whatever is not healthy.
func (p *project) tell(t *testing.T) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	all, err := containers(ctx, p.name, "")
	if err != nil {
		t.Log(err)
	}
	for _, c := range all {
		trouble := c.trouble(time.Time{})
		if trouble == "" {
			continue
		}
		// Most of these write to standard error, which docker logs keeps apart.
		out, err := command(ctx, nil, "sh", "-c", `docker logs --tail 30 "$0" 2>&1`, c.ID)
		t.Logf("%s is %s, and restarted %d times (%v):\n%s", c.service(), trouble, c.RestartCount, err, out)
	}
}

func since(t time.Time) time.Duration { return time.Since(t).Round(100 * time.Millisecond) }
