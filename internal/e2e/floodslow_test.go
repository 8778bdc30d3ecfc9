package e2e

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// slowFloods do what they may, but slowly, or do not read what they are sent.
var slowFloods = []attack{
	{name: "slowloris", run: drips, holds: 400 * perStream},
	{name: "slowloris in TLS", tls: true, run: dripsTLS, holds: 400 * perConnection},
	{name: "stalled readers", alone: true, run: stalledReaders, holds: stalledCount * perConnection},
	{name: "memory", env: []string{fmt.Sprintf("GOMEMLIMIT=%d", memoryLimit)}, tls: true, strained: true, alone: true, run: noMemory, holds: memoryLimit},
}

// perStream is what an idle connection may take, in bytes.
const perStream = 32 << 10

// dripEach is how many drip on each listener.
const dripEach = 100

// drips sends requests byte by byte to each listener that clients have. None of them is
// waited for longer than for a handshake.
func drips(s *siege) {
	at, long := s.c.Addrs(), strings.Repeat("x", 4000)
	s.drip(map[string]string{
		at.Public:              "GET /v2/messages?key=" + long + " HTTP/1.1\r\n",
		at.Admin:               "POST /v2/messages HTTP/1.1\r\nX: " + long,
		at.HTTP + " upgrading": "GET /v2/stream?key=a HTTP/1.1\r\nUpgrade: websocket\r\nX: " + long,
		at.HTTP + " listening": "GET /v2/events?key=a HTTP/1.1\r\nX: " + long,
		at.TCP:                 "*3\r\n$3\r\nsub\r\n$255\r\n" + long,
	})
	s.counted(refusalsOf("handshake"), 3*dripEach) // those of the comet
	s.counted(webRefusalsOf("public", "no_request"), dripEach)
	s.counted(webRefusalsOf("admin", "no_request"), dripEach)
}

// dripsTLS does so inside of a TLS handshake.
func dripsTLS(s *siege) {
	at, hello := s.c.Addrs(), "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"+strings.Repeat("\x00", 500)
	s.drip(map[string]string{at.Public: hello, at.Admin: hello, at.HTTP: hello, at.TCP: hello})
	s.counted(refusalsOf("tls_handshake"), 2*dripEach)
	s.counted(webRefusalsOf("public", "tls_handshake"), dripEach)
	s.counted(webRefusalsOf("admin", "tls_handshake"), dripEach)
}

// drip has dripEach connections send each text, one byte in a tenth of a second, until the
// server ends them. The keys are addresses, perhaps with a word behind.
func (s *siege) drip(texts map[string]string) {
	s.Helper()
	var all sync.WaitGroup
	errs := make(chan error, len(texts)*dripEach)
	began := time.Now()
	for name, text := range texts {
		addr, _, _ := strings.Cut(name, " ")
		for range dripEach {
			all.Go(func() { errs <- dripOne(addr, text) })
		}
	}
	all.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			s.Fatal(err)
		}
	}
	s.Logf("the last of %d was ended after %v", len(texts)*dripEach, time.Since(began).Round(time.Millisecond))
}

func dripOne(addr, text string) error {
	conn, err := reach(attacker, addr, nil)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	end, in := time.Now().Add(time.Minute), make([]byte, 512)
	for i := 0; time.Now().Before(end); i++ {
		if i < len(text) {
			if _, err := conn.Write([]byte{text[i]}); err != nil {
				return nil // it was ended
			}
		}
		_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		if _, err := conn.Read(in); err != nil && !Timeout(err) {
			return nil
		}
	}
	return fmt.Errorf("%s goes on with a request that drips for a minute", addr)
}

// stalledCount is how many stall, in all protocols.
const stalledCount = 80

// stalledReaders never read, while far more is pushed to their keys than is held for them.
func stalledReaders(s *siege) {
	keys := s.stall(stalledCount, 8)
	l := newLedger(s)
	for i := range 130 { // 6.5 MB for each: more than the buffers of a socket
		for _, key := range keys {
			if got, err := l.push(key, fmt.Sprintf("%s/%d", key, i), 50_000); err != nil || got != acked {
				s.Fatalf("a push was answered %s, %v", got, err)
			}
		}
	}
	Until(s, time.Minute, "all stalled readers to be behind", func() (bool, string) {
		v, err := s.c.API.Metric(s.Context(), "gopush_comet_readers_behind")
		return err == nil && v == stalledCount, fmt.Sprint(v, err)
	})
	s.calm(beatsOf)
	l.prove(keys...)
}

// stall opens n connections that never read, over all protocols, to so many keys.
func (s *siege) stall(n, keys int) (names []string) {
	s.Helper()
	for i := range keys {
		names = append(names, fmt.Sprintf("stalled-%d", i))
	}
	for i := range n {
		r, err := DialStalled(s.Context(), s.c, streams[i/keys%len(streams)], names[i%keys])
		if err != nil {
			s.Fatal(err)
		}
		s.hold(r)
	}
	Until(s, time.Minute, "the stalled readers to be connected", func() (bool, string) {
		v, err := s.c.API.Metric(s.Context(), "gopush_comet_connections")
		return err == nil && v == float64(n+2), fmt.Sprint(v, err)
	})
	return names
}

// memoryLimit is that of the process that runs out of it, in bytes.
const memoryLimit = 64 << 20

// noMemory has streams come in over TLS, which take the most, until the process is short of
// memory. It takes no more then, says so, and goes on for those that it has.
func noMemory(s *siege) {
	met := s.storm(8, 5000, func(n int) (string, error) {
		if n%10 == 9 {
			return s.visit(attackers[n/10%len(attackers)], s.c.Addrs().Public)
		}
		return s.knock(streams[n%len(streams)], attackers[n%len(attackers)], fmt.Sprintf("crowd-%d", n))
	})
	if met.of(ended) == 0 {
		s.Error("all streams were taken")
	}
	s.countedIn(met.of(told, ended), refusalsOf("memory_short"), webRefusalsOf("public", "memory_short"))
	s.lift()
	Until(s, time.Minute, "a newcomer to be taken", func() (bool, string) {
		what, err := s.knock(ReadWebsocket, attacker, "newcomer")
		return what == taken, fmt.Sprint(what, err)
	})
}

// ledger is what attackers push, and what became of it, for the checker.
type ledger struct {
	s *siege
	*scene
}

func newLedger(s *siege) *ledger { return &ledger{s, newScene(s.Context(), s.c)} }

// acked is what a push is answered that is taken.
const acked = "acked"

// push pushes once, and says how that was answered: acked, or the code of the error. A
// refusal has to be retryable.
func (l *ledger) push(key, token string, pad int) (string, error) {
	return l.pushOn(l.api.client, key, token, pad)
}

func (l *ledger) pushOn(client *http.Client, key, token string, pad int) (string, error) {
	at := l.s.c.Addrs()
	p, planned := &pusher{scene: l.scene}, PlannedPush{Token: token, Key: key, Pad: pad}
	p.try(planned)
	res, err := call(l.s.Context(), client, http.MethodPost, at.api()+at.Admin+"/v2/messages", asked(planned).JSON(),
		"Authorization", "Bearer "+at.Token, "Content-Type", "application/json")
	o := outcomeOf(res, err)
	p.outcome(planned, o)
	if err == nil && o.State == Refused {
		err = retryable(res)
	}
	if o.State == Acked {
		return acked, nil
	}
	return o.Code, err
}

// prove has readers of both protocols read the keys to the end, and the checker see that
// everything acknowledged is there, once and in order, and nothing that was refused.
func (l *ledger) prove(keys ...string) {
	l.s.Helper()
	l.end()
	var all sync.WaitGroup
	for i, key := range keys {
		kind := []ReaderKind{ReadWebsocket, ReadSSE, ReadV1TCP, ReadPoll}[i%4]
		all.Go(func() { l.read(l.s.Context(), ReaderPlan{Name: "reader of " + key, Key: key, Kind: kind, Limit: 100}) })
	}
	all.Wait()
	Prove(l.s, l.s.c, Plan{Keys: keys, Kills: []Kill{{}}}, l.history)
}

// fromAddress is a client of its own address.
func fromAddress(s *siege, from net.IP, conns int) *http.Client {
	d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: from}}
	transport := &http.Transport{DialContext: d.DialContext, MaxIdleConnsPerHost: conns}
	s.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: time.Minute}
}
