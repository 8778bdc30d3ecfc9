package bench

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"gopush/comet/client"
	"gopush/internal/daemon"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestBody(t *testing.T) {
	for _, size := range []int{minBody, 100, 5000} {
		b := appendBody(nil, "abcdefghij", maxKeys, maxPushes, size)
		if len(b) != size || !json.Valid(b) {
			t.Errorf("%d bytes for %d: %s", len(b), size, b)
		}
		if s, n, ok := parseBody(b, "abcdefghij"); s != maxKeys || n != maxPushes || !ok {
			t.Errorf("%d %d %t", s, n, ok)
		}
		if _, _, ok := parseBody(b, "other"); ok {
			t.Error("it is of another run")
		}
	}
	for _, text := range []string{"", "1", `{"bench":"r"}`, `{"bench":"r","s":x,"n":1,"pad":""}`, `{"bench":"r","s":1,"n":-1,"pad":""}`, `{"bench":"r","s":1,"n":1`} {
		if _, _, ok := parseBody([]byte(text), "r"); ok {
			t.Errorf("%s is taken for a body", text)
		}
	}
}

// TestSchedule: the times are even, exact over a day, and never before one another.
func TestSchedule(t *testing.T) {
	for _, rate := range []int{1, 3, 7, 1000, maxRate} {
		l := newLane(rate, 1)
		if got := l.after(rate * 86400); got != 24*time.Hour {
			t.Errorf("%d/s: a day of pushes takes %s", rate, got)
		}
		for n := range 3 * rate {
			if step := l.after(n+1) - l.after(n); step < time.Second/time.Duration(rate) || step > time.Second/time.Duration(rate)+1 {
				t.Fatalf("%d/s: push %d comes %s after the one before", rate, n+1, step)
			}
		}
	}
}

// TestTimes holds the histogram against a sorted list.
func TestTimes(t *testing.T) {
	s, all := newSpread(), make([]float64, 20_000)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range all {
		d := time.Duration(r.ExpFloat64() * float64(20*time.Millisecond))
		s.add(d)
		all[i] = float64(d.Microseconds()) / 1000
	}
	slices.Sort(all)
	got := s.times()
	for name, c := range map[string]struct{ got, q float64 }{
		"p50": {got.P50MS, 0.5}, "p90": {got.P90MS, 0.9}, "p99": {got.P99MS, 0.99}, "p99.9": {got.P999MS, 0.999},
	} {
		want := all[int(c.q*float64(len(all)))]
		if c.got < want*0.99 || c.got > want*1.01 {
			t.Errorf("%s is %g, want about %g", name, c.got, want)
		}
	}
	if got.Count != 20_000 || got.MaxMS < all[len(all)-1]*0.999 {
		t.Errorf("%+v", got)
	}
	if p99 := s.take(); p99 == 0 || s.times() != (Times{}) {
		t.Errorf("%s, then %+v", p99, s.times())
	}
	s.add(-time.Second)
	s.add(24 * time.Hour)
	if got := s.times(); got.Count != 2 || got.MaxMS < 890_000 {
		t.Errorf("out of bounds: %+v", got)
	}
}

func TestSettings(t *testing.T) {
	good := small()
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(c *Config){
		"the rate is 0":                        func(c *Config) { c.Rate = 0 },
		"the rate is 200001":                   func(c *Config) { c.Rate = 200_001 },
		"the size is 71":                       func(c *Config) { c.Size = 71 },
		"the size is 60001":                    func(c *Config) { c.Size = 60_001 },
		"the number of keys is 0":              func(c *Config) { c.Keys = 0 },
		"of all keys, is 20005":                func(c *Config) { c.Readers = 4001 },
		"readers that fetch is 6":              func(c *Config) { c.Fetchers = 6 },
		"the rate of broadcasts is 1001":       func(c *Config) { c.Public = 1001 },
		"the number of connections is 5000":    func(c *Config) { c.Connections = 5000 },
		"the number of pushes in flight is 0":  func(c *Config) { c.InFlight = 0 },
		"the duration is 1ms":                  func(c *Config) { c.Duration = time.Millisecond },
		"the duration is 25h":                  func(c *Config) { c.Duration = 25 * time.Hour },
		"the warm-up is -1s":                   func(c *Config) { c.Warmup = -time.Second },
		"the timeout is 2m":                    func(c *Config) { c.Timeout = 2 * time.Minute },
		"the time to settle is 11m":            func(c *Config) { c.Settle = 11 * time.Minute },
		"rate times duration, is 86400000":     func(c *Config) { c.Rate, c.Duration, c.Warmup = 1000, 24*time.Hour, 0 },
		"the number of deliveries is 12000000": func(c *Config) { c.Rate, c.Duration, c.Warmup, c.Keys, c.Readers = 100, 600*time.Second, 0, 1, 20_000 },
	} {
		c := small()
		change(&c)
		err := c.Validate()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestElsewhere(t *testing.T) {
	near := []string{"http://127.0.0.1:1", "http://127.9.9.9", "http://localhost:80", "http://[::1]:1"}
	far := []string{"http://10.0.0.1:1", "http://push.example.com", "https://localhost.example.com", "http://[2001:db8::1]:1", "http://0.0.0.0:1", "://"}
	if got := Elsewhere(append(near, far...)...); !slices.Equal(got, far) {
		t.Errorf("%q", got)
	}
}

// TestReadersThatCannotConnect: it is said why, and nothing is pushed.
func TestReadersThatCannotConnect(t *testing.T) {
	f := newFake()
	_, err := Run(t.Context(), small(), Deps{HTTP: f, Listen: func(client.Config) (Stream, error) { return refusing{}, nil }})
	if e, ok := errors.AsType[*SetupError](err); !ok || !errors.Is(e, errRefusing) || f.tries != 0 {
		t.Errorf("%v, %d pushes", err, f.tries)
	}
}

var errRefusing = errors.New("refused")

type refusing struct{}

func (refusing) Run(context.Context) error { return errRefusing }

// TestShape holds the names of the result's JSON, which others read.
func TestShape(t *testing.T) {
	full := Result{
		Errors: map[string]int64{"CODE": 1}, Servers: []Server{{Error: "x"}}, Violations: Violations{First: []Violation{{Reader: "x"}}},
		Client: daemon.Build{Commit: "x", Dirty: true}, Nodes: []Node{{ID: "x", Group: "x", Version: "x"}},
	}
	b, err := json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	var paths []string
	walk("", v, func(path string) { paths = append(paths, path) })
	slices.Sort(paths)
	got, golden := strings.Join(paths, "\n")+"\n", filepath.Join("testdata", "result.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("rewrite it with -update if this is meant:\n%s", got)
	}
}

// walk tells every path of a value with the type that is there.
func walk(path string, v any, tell func(string)) {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			walk(path+"."+name, inner, tell)
		}
	case []any:
		walk(path+"[]", v[0], tell)
	default:
		tell(fmt.Sprintf("%s %s", strings.TrimPrefix(path, "."), reflect.TypeOf(v)))
	}
}

// TestText: what a person has to see stands there.
func TestText(t *testing.T) {
	r := Result{
		Verdict: Broken, Interrupted: true, Errors: map[string]int64{"busy": 3}, KeysLeft: 2, Prefix: "bench-r-",
		Ack: Times{Count: 1, P999MS: 1234.5}, Violations: Violations{Lost: 7, First: []Violation{{Lost, "bench-r-1", "websocket 1", "push 4 never came"}}},
		Servers: []Server{{Ops: "http://x", Error: "no answer"}}, Nodes: []Node{{Role: "comet", Version: "v1"}, {Role: "comet", Version: "v1"}},
	}
	var text strings.Builder
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"3 tries failed: busy", "1234.50", "lost 7", "lost: bench-r-1 websocket 1: push 4 never came", "BROKEN", "(ended early)",
		"2 keys bench-r-", "no figures: no answer", "2 × comet v1",
	} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
}
