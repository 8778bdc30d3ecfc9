package hbasetest

import (
	"net"
	"testing"
)

// A port that is held can be listened to, as Java does, and nobody else gets it.
func TestHoldPort(t *testing.T) {
	p, err := holdPort(0)
	if err != nil {
		t.Fatal(err)
	}
	defer p.release()
	for range 2 { // also after the listener has gone away for a while
		l, err := net.Listen("tcp", p.addr())
		if err != nil {
			t.Fatal(err)
		}
		if q, err := holdPort(p.number); err == nil {
			t.Error("a port that somebody listens to can be had")
			q.release()
		}
		must(t, l.Close())
	}
	const others = 2000
	for range others {
		q, err := holdPort(0)
		if err != nil {
			t.Fatal(err)
		}
		defer q.release()
		if q.number == p.number {
			t.Fatal("a port that is held is given to another")
		}
	}
}

func TestHoldPortByNumber(t *testing.T) {
	free, err := holdPort(0)
	if err != nil {
		t.Fatal(err)
	}
	free.release()
	p, err := holdPort(free.number)
	if err != nil {
		t.Fatal(err)
	}
	defer p.release()
	if p.number != free.number {
		t.Errorf("asked for port %d, got %d", free.number, p.number)
	}
	l, err := net.Listen("tcp", p.addr())
	if err != nil {
		t.Fatal(err)
	}
	must(t, l.Close())
}
