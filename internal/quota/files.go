package quota

import (
	"net"
	"syscall"
)

// maxSpare bounds what is kept back where very many files may be open.
const maxSpare = 1280

// SpareFiles is how many descriptors of this process clients cannot have: a quarter of
// its limit, at most 1,280. They are for the files of the store, which ends the process
// if it cannot open the next part of its log, and for connections between the roles.
// 0: the limit cannot be read.
func SpareFiles() int {
	return spare(fileLimit())
}

func spare(limit uint64) int { return int(min(limit/4, maxSpare)) } //nolint:gosec // small

// fileLimit is asked each time, as it may be changed from outside; 0: unknown.
func fileLimit() uint64 {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return limit.Cur
}

// FilesShort says that conn, which was accepted just now, has one of the descriptors that
// are kept back. Its number tells: a process gets the lowest that is free, so at least
// as many as that are in use. A connection without a number never has.
func FilesShort(conn net.Conn) bool {
	if outer, ok := conn.(interface{ NetConn() net.Conn }); ok { // TLS
		conn = outer.NetConn()
	}
	c, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	limit, number := fileLimit(), uint64(0)
	if err := raw.Control(func(fd uintptr) { number = uint64(fd) }); err != nil || limit == 0 {
		return false
	}
	return number >= limit-uint64(spare(limit)) //nolint:gosec // not negative
}
