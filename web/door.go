package web

import (
	"net"

	"gopush/internal/quota"
)

// filesShort is why a connection was closed as it came: see quota.FilesShort.
const filesShort = "files_short"

// door is a listener that closes at once what has one of the last descriptors of the
// process: there is none to answer with, and the store needs them.
type door struct {
	net.Listener
	refused func(reason string)
}

// Accept waits for a connection that may ask for something.
func (d *door) Accept() (net.Conn, error) {
	for {
		conn, err := d.Listener.Accept()
		if err != nil || !quota.FilesShort(conn) {
			return conn, err
		}
		d.refused(filesShort)
		_ = conn.Close()
	}
}
