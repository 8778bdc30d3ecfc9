package e2e

import (
	"bufio"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// siege is one attack on one process: who attacks, who must not suffer, and what there is
// to look at.
type siege struct {
	*testing.T
	c       *Cluster
	good    *healthy
	control *healthy
	roots   *x509.CertPool // nil: no TLS
	beats   int            // how many messages the healthy client gets, at the least, in a storm

	mu   sync.Mutex
	held []io.Closer // guarded by mu; what the attackers hold
}

// Where attackers come from. Healthy clients have addresses of their own.
var (
	attacker  = net.IPv4(127, 0, 6, 6)
	attackers = []net.IP{attacker, net.IPv4(127, 0, 6, 7), net.IPv4(127, 0, 6, 8), net.IPv4(127, 0, 6, 9)}
)

// hold keeps a connection open until the attack is over.
func (s *siege) hold(c io.Closer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = append(s.held, c)
}

// lift ends the attack.
func (s *siege) lift() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.held {
		_ = c.Close()
	}
	s.held = nil
}

// outcomes counts what attackers met.
type outcomes struct {
	mu    sync.Mutex
	count map[string]int // guarded by mu
}

func (o *outcomes) add(what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.count == nil {
		o.count = make(map[string]int)
	}
	o.count[what]++
}

func (o *outcomes) of(what ...string) (n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, w := range what {
		n += o.count[w]
	}
	return n
}

func (o *outcomes) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	text := ""
	for _, what := range slices.Sorted(maps.Keys(o.count)) {
		text += fmt.Sprintf("%s %d, ", what, o.count[what])
	}
	return text
}

// How many messages a healthy client gets, at the least, while it is attacked; and one that is
// refused as often as the attackers are.
const (
	beatsOf       = 15
	beatsRefusing = 4
)

// storm has workers attack, again and again, until there were that many attempts and the
// healthy client had its messages. attempt gets the number of the attempt and says what it
// met; an error ends the test.
func (s *siege) storm(workers, attempts int, attempt func(n int) (string, error)) *outcomes {
	s.Helper()
	before, _ := s.good.count()
	var met outcomes
	var next atomic.Int64
	var all sync.WaitGroup
	errs := make(chan error, workers)
	for range workers {
		all.Go(func() {
			for {
				n := int(next.Add(1)) - 1
				if now, err := s.good.count(); err != nil || n >= attempts && now >= before+s.beats {
					return
				}
				what, err := attempt(n)
				if err != nil {
					errs <- fmt.Errorf("attempt %d: %w", n, err)
					return
				}
				met.add(what)
			}
		})
	}
	all.Wait()
	close(errs)
	for err := range errs {
		s.Fatal(err)
	}
	s.Logf("attackers met: %s", met.String())
	return &met
}

// calm waits until the healthy client has had so many messages, while the attackers do
// what they do.
func (s *siege) calm(beats int) {
	s.Helper()
	before, _ := s.good.count()
	Until(s, 2*time.Minute, "the healthy client to be served", func() (bool, string) {
		now, err := s.good.count()
		if err != nil {
			s.Fatal(err)
		}
		return now >= before+beats, fmt.Sprintf("%d messages", now-before)
	})
}

// counted waits until a metric says exactly that; it may lag behind what attackers saw.
func (s *siege) counted(name string, want int) {
	s.Helper()
	s.countedIn(want, name)
}

// countedIn is counted for the sum of some.
func (s *siege) countedIn(want int, names ...string) {
	s.Helper()
	got := 0.0
	Until(s, 30*time.Second, fmt.Sprintf("%s to be %d", names, want), func() (bool, string) {
		got = 0
		for _, name := range names {
			v, err := s.c.API.Metric(s.Context(), name)
			if err != nil && !errors.Is(err, errNoMetric) {
				return false, err.Error()
			}
			got += v
		}
		return int(got) == want, fmt.Sprint(got)
	})
	s.Logf("%s: %v", names, got)
}

func refusalsOf(reason string) string {
	return fmt.Sprintf(`gopush_comet_refusals_total{group="node1",reason=%q}`, reason)
}

func webRefusalsOf(listener, reason string) string {
	return fmt.Sprintf(`gopush_web_refusals_total{listener=%q,reason=%q}`, listener, reason)
}

// What a knock may meet.
const (
	taken    = "taken"
	told     = "503 with Retry-After"
	ended    = "the end"
	crowded  = "close code 4105"
	tooOften = "close code 4003"
)

// streams are the ways into a comet.
var streams = []ReaderKind{ReadSSE, ReadWebsocket, ReadV1TCP, ReadV1WS}

// knock opens a stream of the key, and says what came of it. What is taken is held.
func (s *siege) knock(kind ReaderKind, from net.IP, key string) (string, error) {
	addr, first := s.c.Addrs().HTTP, ""
	switch kind {
	case ReadV1TCP:
		addr, first = s.c.Addrs().TCP, V1Command("sub", key, "3600", "", "1.0")
	case ReadV1WS:
		first = upgradeRequest("/sub?heartbeat=3600&ver=1&key="+key, "")
	case ReadWebsocket:
		first = upgradeRequest("/v2/stream?public=0&key="+key, "gopush.v2")
	default:
		first = "GET /v2/events?public=0&key=" + key + " HTTP/1.1\r\nHost: x\r\n\r\n"
	}
	conn, err := reach(from, addr, s.roots)
	if hungUp(err) {
		return ended, nil
	}
	if err != nil {
		return "", err
	}
	what, err := ask(conn, kind, first)
	if what == taken {
		s.hold(conn)
	} else {
		_ = conn.Close()
	}
	return what, err
}

// ask says what first is answered with.
func ask(conn net.Conn, kind ReaderKind, first string) (string, error) {
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(conn, first); err != nil {
		return endOr(err)
	}
	in := newReader(conn)
	if kind == ReadV1TCP {
		return heard((&tcpV1{Conn: conn, in: in}).Next(time.Minute))
	}
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		return endOr(err)
	}
	switch {
	case res.StatusCode == http.StatusServiceUnavailable:
		return toldSo(res)
	case res.StatusCode == http.StatusOK && kind == ReadSSE:
		f, err := (&sseStream{Conn: conn, in: bufio.NewReader(res.Body)}).Next(time.Minute)
		switch {
		case err == nil && f.Type == "error" && f.Code == "rate_limited":
			return crowded, nil
		case err == nil && f.Type == "error" && f.Code == "busy":
			return tooOften, nil
		}
		return heard(f.Type, err)
	case res.StatusCode != http.StatusSwitchingProtocols:
		return "", &StatusError{Status: res.StatusCode}
	}
	w := &Websocket{Conn: conn, in: in}
	if kind == ReadV1WS {
		return heard(wsV1{w}.Next(time.Minute))
	}
	f, err := wsStream{w}.Next(time.Minute)
	if err == nil && f.Type == "error" {
		_, err = wsStream{w}.Next(time.Minute)
	}
	if e, ok := errors.AsType[*CloseError](err); ok && e.Code == 4105 {
		return crowded, nil
	} else if ok && e.Code == 4003 {
		return tooOften, nil
	}
	return heard(f.Type, err)
}

// heard reads the first word of a stream that was opened.
func heard(word string, err error) (string, error) {
	if _, closed := errors.AsType[*CloseError](err); closed {
		return ended, nil
	}
	if err != nil {
		return endOr(err)
	}
	if word != "+h" && word != "ready" {
		return "", fmt.Errorf("the first word is %q", word)
	}
	return taken, nil
}

// toldSo checks a refusal.
func toldSo(res *http.Response) (string, error) {
	body, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return "", err
	}
	return told, retryable(Answer{Status: res.StatusCode, Header: res.Header, Body: string(body)})
}

// endOr takes the end of a connection for an answer; any other error is one.
func endOr(err error) (string, error) {
	if hungUp(err) {
		return ended, nil
	}
	return "", err
}

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// acceptable is memory that a process may take for itself, in bytes, whoever attacks: the
// store's two buffers of 16 MiB and its cache of 64 MiB, as much again until the garbage is
// collected, and the program.
const acceptable = 256 << 20
