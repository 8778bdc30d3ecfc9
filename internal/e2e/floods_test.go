package e2e

import (
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gopush/internal/cert/certtest"
)

// attack is one way to harm a process. Each has a process of its own.
type attack struct {
	name  string
	set   []string // settings
	env   []string
	files uint64 // the limit of open files; 0: as here
	tls   bool
	// strained: pushes of healthy clients may be refused, though not taken and then late.
	strained bool
	// alone: it takes all of the processor, so nothing else goes on beside it.
	alone bool
	run   func(*siege)
	// holds is what the limits let attackers make the process hold, in bytes, beyond what it
	// may take anyway.
	holds int64
}

// TestFloods attacks the program, as it is built for use, in each way that it has a limit
// for. All along a client that does nothing wrong has to be served within two seconds;
// memory is bounded and comes back; whoever is refused can come back, and is counted.
//
// Time is compared with that of an idle process beside it: see healthy.judge. Attacks that take
// little of the processor go on at the same time, each on its own process, when the others are
// over.
func TestFloods(t *testing.T) {
	path := buildProgram(t)
	idle := Start(t, Options{Begin: (&asBuilt{path: path}).begin})
	control := startHealthy(t, idle, "127.0.7.1", nil, nil)
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			if !a.alone {
				t.Parallel()
			}
			a.test(t, path, control)
		})
	}
}

var attacks = slices.Concat(connectionFloods, slowFloods, pushFloods)

func (a *attack) test(t *testing.T, path string, control *healthy) {
	set := a.set
	var roots *x509.CertPool
	if a.tls {
		ca := certtest.New(t)
		files := ca.Issue(t, "node", []string{"127.0.0.1"}, nil)
		roots = ca.Pool()
		set = append(set, "comet.tls_cert="+files.Cert, "comet.tls_key="+files.Key, "comet.tls_tcp=true",
			"web.tls_cert="+files.Cert, "web.tls_key="+files.Key)
	}
	b := &asBuilt{path: path, set: set, env: a.env, files: a.files}
	c := Start(t, Options{Begin: b.begin, Roots: roots})
	onRefuse := retryable
	if !a.strained {
		onRefuse = nil
	}
	good := startHealthy(t, c, "127.0.7.2", roots, onRefuse)
	s := &siege{T: t, c: c, good: good, control: control, roots: roots, beats: beatsOf}
	t.Cleanup(s.lift)
	s.calm(3)
	rest, before := settledHeap(s), time.Now()
	forget(t, c)
	now, _ := resident(t, c)
	a.run(s)
	_, most := resident(t, c)
	t.Logf("resident memory was %d MiB, at most %d MiB", now>>20, most>>20)
	if bound := int64(acceptable) + a.holds; most > bound {
		t.Errorf("resident memory was %d MiB; the limits allow %d MiB", most>>20, bound>>20)
	}
	s.lift()
	s.calm(3)
	good.judge(t, control, before)
	after := settledHeap(s)
	t.Logf("the heap was %d KiB before, and is %d KiB after it", rest>>10, after>>10)
	if after > rest+storeKeeps {
		t.Errorf("the heap was %d KiB before the attack, and is %d KiB after it", rest>>10, after>>10)
	}
	good.end(t)
	if errs := failures(filepath.Join(c.Dir(), "log")); len(errs) > 0 && !a.strained {
		t.Errorf("the log has errors:\n%s", strings.Join(errs, "\n"))
	}
}

// storeKeeps is what the store may have more of than before, whoever pushed, in bytes: its
// cache and its buffers.
const storeKeeps = 112 << 20

// settledHeap is what the process holds once what has ended is given back.
func settledHeap(s *siege) int64 {
	s.Helper()
	Until(s, time.Minute, "the attackers' connections to be gone", func() (bool, string) {
		v, err := s.c.API.Metric(s.Context(), "gopush_comet_connections")
		return err == nil && v == 2, fmt.Sprintf("%v of 2, %v", v, err) // the healthy client has two
	})
	return heap(s.T, s.c)
}

// failures are the errors in a log.
func failures(path string) (lines []string) {
	text, err := os.ReadFile(path)
	if err != nil {
		return []string{err.Error()}
	}
	for line := range strings.Lines(string(text)) {
		if strings.Contains(line, "level=ERROR") {
			lines = append(lines, line)
		}
	}
	return lines
}
