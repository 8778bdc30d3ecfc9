package hbasetest

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"syscall"
)

// port is a TCP port of 127.0.0.1 that is this stack's until it is released,
// also while the process that listens there is down: a socket stays bound to
// it, but does not listen. Linux lets another socket bind to the same port and
// listen if both set SO_REUSEADDR, as Java's do, and gives the port to nobody
// who asks for any that is free.
type port struct {
	number int
	fd     int // -1: not held
}

// holdPort takes the port of that number; 0: one that is free.
func holdPort(number int) (*port, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	syscall.CloseOnExec(fd)
	p := &port{fd: fd}
	if err := p.bind(number); err != nil {
		p.release()
		return nil, fmt.Errorf("port %d of 127.0.0.1: %w", number, err)
	}
	// Elsewhere two sockets cannot share a port, and it is only known to have
	// been free.
	if runtime.GOOS != "linux" {
		p.release()
	}
	return p, nil
}

func (p *port) bind(number int) error {
	addr := &syscall.SockaddrInet4{Port: number, Addr: [4]byte{127, 0, 0, 1}}
	// With the option, a port counts as free that another stack holds; without,
	// one that was in use a minute ago counts as taken. So a port that is asked
	// for by number may be used again at once, and any free one is nobody else's.
	steps := []func() error{func() error { return os.NewSyscallError("bind", syscall.Bind(p.fd, addr)) }, p.reuse, p.name}
	if number != 0 {
		steps = []func() error{func() error { return listens(number) }, p.reuse, steps[0], p.name}
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// listens reports an error if somebody listens there.
func listens(number int) error {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: number})
	if err != nil {
		return err
	}
	return l.Close()
}

func (p *port) reuse() error {
	return os.NewSyscallError("setsockopt", syscall.SetsockoptInt(p.fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1))
}

// name reads which port it became.
func (p *port) name() error {
	name, err := syscall.Getsockname(p.fd)
	if err != nil {
		return os.NewSyscallError("getsockname", err)
	}
	addr, ok := name.(*syscall.SockaddrInet4)
	if !ok {
		return fmt.Errorf("the socket is bound to %v", name)
	}
	p.number = addr.Port
	return nil
}

func (p *port) release() {
	if p.fd >= 0 {
		_ = syscall.Close(p.fd) // there is nothing in it to lose
		p.fd = -1
	}
}

func (p *port) addr() string { return fmt.Sprintf("127.0.0.1:%d", p.number) }
