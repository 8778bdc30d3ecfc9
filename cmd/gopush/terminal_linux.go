package main

import "golang.org/x/sys/unix"

// How the kernel calls the reading and writing of a terminal's settings.
const (
	readTermios  = unix.TCGETS
	writeTermios = unix.TCSETS
)
