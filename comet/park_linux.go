package comet

import (
	"net"
	"syscall"
	"unsafe"
)

// rawConn is the connection's descriptor, or nil when it has none of its own.
func rawConn(conn net.Conn) syscall.RawConn {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// readable reports whether a read would not block: there are bytes, the end, or
// an error. The call is a raw one, as the scheduler's part of a system call would
// not fit on the smallest stack; it never blocks.
func readable(fd uintptr) bool {
	var b [1]byte
	_, _, errno := syscall.RawSyscall6(syscall.SYS_RECVFROM, fd, uintptr(unsafe.Pointer(&b[0])), 1,
		syscall.MSG_PEEK|syscall.MSG_DONTWAIT, 0, 0)
	return errno != syscall.EAGAIN && errno != syscall.EINTR
}
