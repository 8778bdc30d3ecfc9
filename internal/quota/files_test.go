package quota

import (
	"net"
	"syscall"
	"testing"
)

// numbered is a connection of which only the number of its descriptor counts.
type numbered struct {
	net.Conn
	fd uintptr
}

func (n numbered) SyscallConn() (syscall.RawConn, error) { return number{fd: n.fd}, nil }

// number is a descriptor that nothing is done with.
type number struct {
	syscall.RawConn
	fd uintptr
}

func (n number) Control(f func(uintptr)) error { f(n.fd); return nil }

// wrapped is as a TLS connection is over another.
type wrapped struct{ net.Conn }

func (w wrapped) NetConn() net.Conn { return w.Conn }

// The last quarter of the descriptors, but no more than 1,280, is not for clients.
//
// Broken once by comparing with the limit itself.
func TestFilesShort(t *testing.T) {
	limit := fileLimit()
	if limit < 16 {
		t.Fatalf("the limit of open files is %d", limit)
	}
	kept := uint64(SpareFiles())
	if want := min(limit/4, 1280); kept != want {
		t.Errorf("%d of %d are kept back, want %d", kept, limit, want)
	}
	for number, want := range map[uint64]bool{3: false, limit - kept - 1: false, limit - kept: true, limit - 1: true} {
		conn := numbered{fd: uintptr(number)}
		if got := FilesShort(conn); got != want {
			t.Errorf("the descriptor %d of %d: %v", number, limit, got)
		}
		if got := FilesShort(wrapped{conn}); got != want {
			t.Errorf("the descriptor %d of %d, over TLS: %v", number, limit, got)
		}
	}
	near, far := net.Pipe()
	defer func() { _, _ = near.Close(), far.Close() }()
	if FilesShort(near) {
		t.Error("a pipe has no descriptor")
	}
}
