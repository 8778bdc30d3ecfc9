package composetest

import (
	"context"
	"errors"
	"fmt"
	"os"
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
	// settle is when a service that is going to end itself because of a fault has done so,
	// such as a region server that finds its session over. Checks before that prove little.
	settle = 15 * time.Second
	// askEvery is how often Docker is asked for the health of everything.
	askEvery = time.Second
)

// begins are what keys begin with. The table is cut by that, so that every region server
// has some of them; and they are enough for both groups of comets.
const begins = "0AKUckrz"

// Run brings the cluster up, has both protocols prove themselves, hits every service as
// planned, asks what the dashboards show of that, and takes everything down. root is the
// root of the tree.
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
		if t.Failed() {
			p.keepLogs(t)
		}
		began := time.Now()
		if err := p.down(context.WithoutCancel(t.Context())); err != nil {
			t.Errorf("take it down: %v", err)
			return
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
	t.Run("dashboards", p.dashboards)
}

// survive hits one service under load, and proves that nothing acknowledged was lost.
func (p *project) survive(t *testing.T, h hit) {
	t.Helper()
	cluster := e2e.Remote(t, p.addrs)
	keys := make([]string, len(begins))
	for i := range keys {
		keys[i] = fmt.Sprintf("%c-%s", begins[i], h)
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
	load.Acked(5)
	p.healthy(t, ended.Add(settle))
	recovered := since(ended)
	load.Acked(5)
	stall := load.Stall(began, keys...).Round(100 * time.Millisecond)
	load.Prove()
	t.Logf("%s for %s: a key was without an ack for %s at most; all healthy and settled %s after its end", h, lasted, stall, recovered)
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
		out, err := command(ctx, "", nil, "sh", "-c", `docker logs --tail 30 "$0" 2>&1`, c.ID)
		t.Logf("%s is %s, and restarted %d times (%v):\n%s", c.service(), trouble, c.RestartCount, err, out)
	}
}

// keepLogs writes the whole logs of all services into a folder: soon they are gone.
func (p *project) keepLogs(t *testing.T) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	dir, err := os.MkdirTemp("", p.name+"-logs-") //nolint:usetesting // it is kept
	if err != nil {
		t.Log(err)
		return
	}
	all, err := containers(ctx, p.name, "")
	for _, c := range all {
		_, failed := command(ctx, dir, nil, "sh", "-c", `docker logs "$0" > "$1.log" 2>&1`, c.ID, c.service())
		err = errors.Join(err, failed)
	}
	t.Logf("the logs of all services are in %s (%v)", dir, err)
}

func since(t time.Time) time.Duration { return time.Since(t).Round(100 * time.Millisecond) }
