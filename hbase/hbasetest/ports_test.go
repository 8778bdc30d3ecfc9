package hbasetest

import (
	"errors"
	"net"
	"syscall"
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
	if err := plainBind(t, p.number); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("somebody else can take a port that is held: %v", err)
	}
	p.release()
	if err := plainBind(t, p.number); err != nil {
		t.Errorf("a port that was released is still taken: %v", err)
	}
}

// plainBind takes a port for a moment, as one does who is given any free one.
func plainBind(t *testing.T, number int) error {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { must(t, syscall.Close(fd)) }()
	return syscall.Bind(fd, &syscall.SockaddrInet4{Port: number, Addr: [4]byte{127, 0, 0, 1}})
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
