//go:build darwin || freebsd || netbsd || openbsd

package main

import "golang.org/x/sys/unix"

// How the kernel calls the reading and writing of a terminal's settings.
const (
	readTermios  = unix.TIOCGETA
	writeTermios = unix.TIOCSETA
)
