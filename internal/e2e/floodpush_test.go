package e2e

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// pushFloods push too much at once, or too large.
var pushFloods = []attack{
	{name: "a pusher ten times too fast", set: []string{"web.pushes_per_second=100"}, strained: true, alone: true, run: fastPusher},
	{name: "a pusher ten times too fast from one address", set: []string{"web.pushes_per_address=100"}, alone: true, run: fastPusher},
	{name: "a pusher ten times too fast to each key", set: []string{"comet.pushes_per_key=25"}, alone: true, run: fastPusher},
	{name: "pushers of one key", alone: true, run: hotKey, holds: 4 << 20},
	{name: "sizes", run: sizes},
}

// fastPusher pushes to four keys on eight connections as fast as it is answered, which is far
// more than ten times what may be, 100 in a second: it comes back at once, whatever it is told.
// Where the limit is the node's, and so the healthy client's as well, it is ten times.
func fastPusher(s *siege) {
	l, client := newLedger(s), fromAddress(s, attacker, 8)
	shared := s.good.onRefuse != nil // the limit is the healthy client's, too
	if shared {
		s.beats = beatsRefusing
	}
	before, began := s.good.refusals(), time.Now()
	met := s.storm(8, 3000, func(n int) (string, error) {
		what, err := l.pushOn(client, fmt.Sprintf("fast-%d", n%4), fmt.Sprintf("fast/%d", n), 10)
		if shared && what == "rate_limited" {
			Pause(s.Context(), 8*time.Millisecond) // ten times too fast, not hundred times
		}
		return what, err
	})
	took := time.Since(began)
	if most := int(100 * (took.Seconds() + 2)); met.of(acked) > most {
		s.Errorf("%d were taken in %v, want at most %d", met.of(acked), took, most)
	}
	s.Logf("%.1f times too fast", float64(met.of(acked, "rate_limited"))/float64(max(1, met.of(acked))))
	s.counted(`gopush_web_pushes_total{code="rate_limited"}`, met.of("rate_limited")+s.good.refusals()-before)
	l.prove("fast-0", "fast-1", "fast-2", "fast-3")
}

// hotKey pushes large messages to one key on more connections than may wait behind a write.
// Its comet refuses some; the web node insists, as long as a push may take.
func hotKey(s *siege) {
	const pushers = 256
	l, client := newLedger(s), fromAddress(s, attacker, pushers)
	met := s.storm(pushers, 1500, func(n int) (string, error) {
		return l.pushOn(client, "hot", fmt.Sprintf("hot/%d", n), 60_000)
	})
	const full = `gopush_comet_operations_total{group="node1",kind="store",outcome="busy"}`
	if refused, err := s.c.API.Metric(s.Context(), full); refused == 0 || err != nil || met.of(acked) == 0 {
		s.Errorf("%v are refused, %v; want some to wait in line, and those behind them to be refused", refused, err)
	}
	s.counted(`gopush_web_pushes_total{code="busy"}`, met.of("busy"))
	l.prove("hot")
}

// sizes sends or announces more than may be, on every listener.
func sizes(s *siege) {
	at, huge := s.c.Addrs(), strings.Repeat("x", 1<<20)
	auth := "Host: x\r\nAuthorization: Bearer " + at.Token + "\r\n"
	header := " HTTP/1.1\r\nHost: x\r\nX: " + huge + "\r\n\r\n"
	frame := func(target, protocol string) string {
		return upgradeRequest(target, protocol) // the frame follows the answer
	}
	tries := []struct{ addr, send, then, want string }{
		{at.Public, "GET /v2/time" + header, "", "431"},
		{at.Admin, "GET /v2/nodes" + header, "", "431"},
		{at.HTTP, "GET /v2/events?key=a" + header, "", "431"},
		{at.Ops, "GET /metrics" + header, "", "431"},
		{at.Admin, "POST /v2/messages HTTP/1.1\r\n" + auth + "Content-Length: 1000000000000\r\n\r\n", "", "413"},
		{at.Admin, "POST /1/admin/push/private?key=a&expire=9 HTTP/1.1\r\n" + auth + "Content-Length: 1000000000000\r\n\r\n", "", "413"},
		{at.TCP, "*3\r\n$3\r\nsub\r\n$2000000000\r\n", "", ""},
		{at.TCP, "*2000000000\r\n", "", ""},
		{at.HTTP, frame("/v2/stream?public=0&key=big", "gopush.v2"), "\x81\xff\x00\x00\x00\xff\xff\xff\xff\xff\x00\x00\x00\x00", "101"},
		{at.HTTP, frame("/sub?heartbeat=30&ver=1&key=big", ""), "\x81\xff\x00\x00\x00\xff\xff\xff\xff\xff\x00\x00\x00\x00", "101"},
	}
	met := make([]atomic.Int64, len(tries))
	s.storm(16, 400, func(n int) (string, error) {
		i := n % len(tries)
		met[i].Add(1)
		return tries[i].want, oversize(s, tries[i].addr, tries[i].send, tries[i].then, tries[i].want)
	})
	s.counted(`gopush_web_requests_total{listener="admin",route="/v2/messages",status="413"}`, int(met[4].Load()))
	s.counted(refusalsOf("handshake"), int(met[2].Load()+met[6].Load()+met[7].Load()))
	s.counted(webRefusalsOf("public", "no_request"), int(met[0].Load()))
	s.counted(webRefusalsOf("admin", "no_request"), int(met[1].Load()))
	s.counted(`gopush_comet_closes_total{group="node1",reason="bad_frame"}`, int(met[8].Load()+met[9].Load()))
}

// oversize sends something too large and reads to the end: the status has to be that, or,
// if empty, nothing is answered. Of a websocket the last is a close frame that says 1009.
func oversize(s *siege, addr, send, then, want string) error {
	conn, err := reach(attacker, addr, nil)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	_, _ = io.WriteString(conn, send) // it may be refused before all of it was sent
	in := newReader(conn)
	if want == "" {
		if b, err := in.ReadByte(); err == nil {
			return fmt.Errorf("%.40q is answered with %q", send, b)
		}
		return nil
	}
	res, err := http.ReadResponse(in, nil)
	if isReset(err) && then == "" {
		return nil // the answer was lost with what had not been read
	}
	if err != nil || fmt.Sprint(res.StatusCode) != want {
		return fmt.Errorf("%.40q is answered with %v, %v; want %s", send, res, err, want)
	}
	if then == "" {
		return nil
	}
	if _, err := io.WriteString(conn, then); err != nil {
		return err
	}
	for w := (&Websocket{Conn: conn, in: in}); ; {
		f, err := w.ReadFrame()
		if err != nil {
			return fmt.Errorf("no close frame: %w", err)
		}
		if code, _ := f.CloseCode(); f.Opcode == OpClose && code == 1009 {
			return nil
		}
	}
}
