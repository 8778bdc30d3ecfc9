//go:build !linux

package comet

import (
	"net"
	"syscall"
)

// rawConn is nil: connections are not parked on this system, but read as usual.
func rawConn(net.Conn) syscall.RawConn { return nil }

func readable(uintptr) bool { return true }
