package e2e

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

// connectionFloods open more than they may.
var connectionFloods = []attack{
	{name: "connections of a node", set: []string{"comet.max_connections=200"}, run: fullNode, holds: 200 * perStream},
	{name: "connections of an address", set: []string{"comet.max_per_address=50"}, run: fullAddress, holds: 50 * perStream},
	{name: "connections of a key", set: []string{"comet.max_per_key=16"}, run: fullKey, holds: 16 * perStream},
	{name: "handshakes of an address", set: []string{"comet.handshakes_per_address=20"}, run: fastAddress, holds: 20 * perStream},
	{name: "handshakes of a key", set: []string{"comet.handshakes_per_key=20"}, run: fastKey, holds: 20 * perStream},
	{name: "handshakes of a node", set: []string{"comet.handshakes_per_second=50"}, run: fastNode, holds: 50 * perStream},
	{name: "connections of a web node", set: []string{"web.max_connections=100"}, run: fullWeb, holds: 200 * perStream},
	{name: "connections of an address at a web node", set: []string{"web.max_per_address=50"}, run: fullWebAddress, holds: 100 * perStream},
	{name: "descriptors", files: 400, alone: true, run: noFiles, holds: 400 * perStream},
}

// perConnection is what a client may make the process hold that sends and reads slowly, or
// not at all, in bytes: the queue of 128 KiB, once more as bytes of its protocol, and
// buffers.
const perConnection = 512 << 10

func fullNode(s *siege) {
	met := s.storm(16, 600, func(n int) (string, error) {
		return s.knock(streams[n%len(streams)], attackers[n%len(attackers)], fmt.Sprintf("crowd-%d", n))
	})
	if got := met.of(taken); got != 198 { // the healthy client has two
		s.Errorf("%d were taken, want 198", got)
	}
	s.counted(refusalsOf("node_full"), met.of(told, ended))
}

func fullAddress(s *siege) {
	met := s.storm(16, 600, func(n int) (string, error) {
		return s.knock(streams[n%len(streams)], attacker, fmt.Sprintf("crowd-%d", n))
	})
	if got := met.of(taken); got != 50 {
		s.Errorf("%d were taken, want 50", got)
	}
	s.counted(refusalsOf("address_full"), met.of(told, ended))
	if what, err := s.knock(ReadWebsocket, attackers[1], "newcomer"); what != taken || err != nil {
		s.Errorf("a client from elsewhere met %s, %v", what, err)
	}
}

func fullKey(s *siege) {
	var v1, v2 atomic.Int64
	met := s.storm(16, 600, func(n int) (string, error) {
		kind := streams[n%len(streams)]
		what, err := s.knock(kind, attackers[n%len(attackers)], "crowded")
		switch {
		case what == taken:
		case kind == ReadV1TCP || kind == ReadV1WS:
			v1.Add(1)
		default:
			v2.Add(1)
			if what != crowded && err == nil {
				err = fmt.Errorf("a %s met %s", kind, what)
			}
		}
		return what, err
	})
	if got := met.of(taken); got != 16 {
		s.Errorf("%d were taken, want 16", got)
	}
	s.counted(refusalsOf("too_many_connections"), int(v2.Load()))
	s.counted(refusalsOf("key_full"), int(v1.Load()))
}

// paced wants no more to have been taken than a rate allows since then, and some refused.
func (s *siege) paced(met *outcomes, began time.Time, perSecond int) {
	s.Helper()
	most := int(float64(perSecond) * (time.Since(began).Seconds() + 2))
	if got := met.of(taken); got > most || met.of(told, ended, tooOften) == 0 {
		s.Errorf("%d were taken, want at most %d, and the others refused", got, most)
	}
}

func fastAddress(s *siege) {
	began := time.Now()
	met := s.storm(16, 600, func(n int) (string, error) {
		return s.knockOnce(streams[n%len(streams)], attacker, fmt.Sprintf("crowd-%d", n))
	})
	s.paced(met, began, 20)
	s.counted(refusalsOf("address_rate"), met.of(told, ended))
	if what, err := s.knock(ReadWebsocket, attackers[1], "newcomer"); what != taken || err != nil {
		s.Errorf("a client from elsewhere met %s, %v", what, err)
	}
}

func fastKey(s *siege) {
	began := time.Now()
	met := s.storm(16, 600, func(n int) (string, error) {
		return s.knockOnce(streams[n%len(streams)], attackers[n%len(attackers)], "crowded")
	})
	s.paced(met, began, 20)
	s.counted(refusalsOf("key_rate"), met.of(tooOften, ended))
	if what, err := s.knock(ReadWebsocket, attacker, "newcomer"); what != taken || err != nil {
		s.Errorf("a client of another key met %s, %v", what, err)
	}
}

func fastNode(s *siege) {
	began := time.Now()
	met := s.storm(16, 600, func(n int) (string, error) {
		return s.knockOnce(streams[n%len(streams)], attackers[n%len(attackers)], fmt.Sprintf("crowd-%d", n))
	})
	s.paced(met, began, 50)
	s.counted(refusalsOf("node_rate"), met.of(told, ended))
}

// knockOnce is knock by one who leaves again at once.
func (s *siege) knockOnce(kind ReaderKind, from net.IP, key string) (string, error) {
	what, err := s.knock(kind, from, key)
	s.lift()
	return what, err
}

// apis are the addresses of both.
func (s *siege) apis() []string { return []string{s.c.Addrs().Public, s.c.Addrs().Admin} }

func fullWeb(s *siege) {
	apis := s.apis()
	met := s.storm(16, 600, func(n int) (string, error) { return s.visit(attackers[n/2%len(attackers)], apis[n%2]) })
	if got := met.of(taken); got != 199 { // the healthy client has one at the admin API
		s.Errorf("%d were taken, want 199", got)
	}
	s.countedIn(met.of(told, ended), webRefusalsOf("public", "node_full"), webRefusalsOf("admin", "node_full"))
}

func fullWebAddress(s *siege) {
	apis := s.apis()
	met := s.storm(16, 600, func(n int) (string, error) { return s.visit(attacker, apis[n%2]) })
	if got := met.of(taken); got != 100 {
		s.Errorf("%d were taken, want 50 of each API", got)
	}
	s.countedIn(met.of(told, ended), webRefusalsOf("public", "address_full"), webRefusalsOf("admin", "address_full"))
	for _, addr := range apis {
		if what, err := s.visit(attackers[1], addr); what != taken || err != nil {
			s.Errorf("a client from elsewhere met %s, %v", what, err)
		}
	}
}

// noFiles takes all descriptors that clients can have, on every listener, while so much is
// pushed that the store needs new files: it ends the process if it gets none.
func noFiles(s *siege) {
	pad := Text(strings.Repeat("x", 60_000))
	heavy := func(i int) {
		if o := s.c.API.Push(s.Context(), lasting(fmt.Sprintf("heavy-%d", i%10), string(pad))); o.State != Acked {
			s.Fatalf("push %d: %+v", i, o)
		}
	}
	heavy(0) // the pusher is connected from now on
	apis := s.apis()
	met := s.storm(16, 1200, func(n int) (string, error) {
		if n%2 == 0 {
			return s.knock(streams[n/2%len(streams)], attackers[n%len(attackers)], fmt.Sprintf("crowd-%d", n))
		}
		return s.visit(attacker, apis[n/2%2])
	})
	if met.of(taken) < 100 || met.of(ended) < 100 {
		s.Error("too few were taken, or too few turned away")
	}
	for i := range 700 { // 42 MB: two logs of the store, and a part of the third
		heavy(i)
	}
	s.countedIn(met.of(ended), refusalsOf("files_short"), webRefusalsOf("public", "files_short"), webRefusalsOf("admin", "files_short"))
}

// visit makes one request to an API and keeps the connection.
func (s *siege) visit(from net.IP, addr string) (string, error) {
	request := "GET /v2/time HTTP/1.1\r\nHost: x\r\n\r\n"
	if addr == s.c.Addrs().Admin {
		request = "GET /v2/nodes HTTP/1.1\r\nHost: x\r\n\r\n" // without a token: 401, and the connection stays
	}
	conn, err := reach(from, addr, s.roots)
	if err != nil {
		return endOr(err)
	}
	if err := writeAll(conn, request); err != nil {
		return endOr(err)
	}
	res, err := http.ReadResponse(newReader(conn), nil)
	if err != nil {
		_ = conn.Close()
		return endOr(err)
	}
	if res.StatusCode == http.StatusServiceUnavailable {
		defer func() { _ = conn.Close() }()
		return toldSo(res)
	}
	_ = res.Body.Close()
	s.hold(conn)
	return taken, nil
}
