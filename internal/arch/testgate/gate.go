package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// quiet is how long nothing may be shown before a line says what still runs.
const quiet = 20 * time.Second

// event is a line of go test -json; see "go doc test2json".
type event struct {
	Action      string
	Package     string
	ImportPath  string // of build output, in place of Package
	FailedBuild string // of a package that failed because of it
	Test        string
	Output      string
}

// gate counts what go test reports. It is used by one goroutine.
type gate struct {
	out     io.Writer
	now     func() time.Time
	started time.Time
	shown   time.Time // when a line was last written

	running map[string]time.Time           // packages, since when
	output  map[[2]string]*strings.Builder // of tests that have not ended, by package and test
	skipped []string
	failed  []string
	passed  int
	tested  int // packages with tests that have ended
}

func newGate(out io.Writer, now func() time.Time) *gate {
	return &gate{
		out: out, now: now, started: now(), shown: now(),
		running: make(map[string]time.Time), output: make(map[[2]string]*strings.Builder),
	}
}

// follow reads events until r ends. Each tick is a chance to say what still
// runs.
func (g *gate) follow(r io.Reader, tick <-chan time.Time) {
	lines := make(chan []byte)
	go func() {
		defer close(lines)
		in := bufio.NewReader(r)
		for {
			line, err := in.ReadBytes('\n')
			if len(line) > 0 {
				lines <- line
			}
			if err != nil {
				return
			}
		}
	}()
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				return
			}
			g.line(line)
		case <-tick:
			g.progress()
		}
	}
}

// line takes one line; what is no event is shown as it is.
func (g *gate) line(line []byte) {
	var ev event
	if err := json.Unmarshal(line, &ev); err != nil {
		g.print(string(line))
		return
	}
	switch {
	case ev.Action == "build-output":
		g.print(ev.Output)
	case ev.Action == "build-fail":
		g.failed = append(g.failed, ev.ImportPath+" (does not build)")
	case ev.Test != "":
		g.test(ev)
	default:
		g.pkg(ev)
	}
}

// test takes an event of one test; its output is kept until it is known whether
// anybody needs it.
func (g *gate) test(ev event) {
	at, name := [2]string{ev.Package, ev.Test}, ev.Package+" "+ev.Test
	switch ev.Action {
	case "output":
		if g.output[at] == nil {
			g.output[at] = new(strings.Builder)
		}
		g.output[at].WriteString(ev.Output)
		return
	case "pass":
		g.passed++
	case "fail":
		g.failed = append(g.failed, name)
		g.show(at)
	case "skip":
		g.skipped = append(g.skipped, name)
		g.show(at)
	default:
		return
	}
	delete(g.output, at)
}

func (g *gate) show(at [2]string) {
	if b := g.output[at]; b != nil {
		g.print(b.String())
	}
}

// pkg takes an event of a whole package. Its "skip" means that there is no test
// in it, which is for lint and review to judge.
func (g *gate) pkg(ev event) {
	switch ev.Action {
	case "start":
		g.running[ev.Package] = g.now()
	case "output":
		// A lone PASS says nothing that the ok line does not.
		if ev.Output != "PASS\n" {
			g.print(ev.Output)
		}
	case "pass":
		g.tested++
		delete(g.running, ev.Package)
	case "skip":
		delete(g.running, ev.Package)
	case "fail":
		g.tested++
		g.unfinished(ev.Package)
		delete(g.running, ev.Package)
		if ev.FailedBuild == "" && !g.blamed(ev.Package) {
			g.failed = append(g.failed, ev.Package+" (as a whole)")
		}
	}
}

// blamed reports whether a test of the package has failed.
func (g *gate) blamed(pkg string) bool {
	return slices.ContainsFunc(g.failed, func(name string) bool { return strings.HasPrefix(name, pkg+" ") })
}

// unfinished shows what tests had written that a dying process did not end.
func (g *gate) unfinished(pkg string) {
	for at := range g.output {
		if at[0] == pkg {
			g.show(at)
			delete(g.output, at)
		}
	}
}

// progress says what runs, if nothing was shown for a while.
func (g *gate) progress() {
	if g.now().Sub(g.shown) < quiet || len(g.running) == 0 {
		return
	}
	var names []string
	for _, pkg := range slices.Sorted(maps.Keys(g.running)) {
		names = append(names, fmt.Sprintf("%s %s", pkg, g.now().Sub(g.running[pkg]).Round(time.Second)))
	}
	g.print(fmt.Sprintf("...  %s, %d tests passed; running: %s\n",
		g.now().Sub(g.started).Round(time.Second), g.passed, strings.Join(names, ", ")))
}

func (g *gate) print(text string) {
	g.shown = g.now()
	_, _ = io.WriteString(g.out, text)
}

// verdict prints the totals; its error says why the run does not count.
func (g *gate) verdict() error {
	for _, name := range g.failed {
		g.print("FAILED  " + name + "\n")
	}
	for _, name := range g.skipped {
		g.print("SKIPPED " + name + "\n")
	}
	g.print(fmt.Sprintf("%d packages, %d tests passed, %d failed, %d skipped, %s\n",
		g.tested, g.passed, len(g.failed), len(g.skipped), g.now().Sub(g.started).Round(time.Second)))
	switch {
	case len(g.failed) > 0:
		return fmt.Errorf("%d failed", len(g.failed))
	case len(g.skipped) > 0:
		return fmt.Errorf("%d skipped: a test that does not run proves nothing", len(g.skipped))
	case g.passed == 0:
		return errors.New("no test ran")
	default:
		return nil
	}
}
