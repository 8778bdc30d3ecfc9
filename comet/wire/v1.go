package wire

import (
	"strconv"

	"gopush/internal/push"
)

// What a v1 server says besides messages, byte for byte the same over TCP and in
// websocket text frames. All but ReplyHeartbeat are followed by a close.
const (
	ReplyHeartbeat = "+h\r\n" // subscribed; and the answer to a heartbeat
	ReplyParam     = "-p\r\n" // wrong parameter
	ReplyNode      = "-n\r\n" // the key is not served here
	ReplyChannel   = "-c\r\n" // nothing is known about the key
	ReplyAuth      = "-a\r\n" // the token is wrong
)

// HeartbeatByte is all that a v1 client says once it is subscribed.
const HeartbeatByte = 'h'

// AppendV1 adds a message as bare JSON with the fields msg, mid and gid. A
// versioned client gets msg as the JSON value, compacted; the others get a JSON
// string that holds the pushed bytes, whitespace kept. Both are escaped as for
// HTML, as v1 clients have always seen it, and valid UTF-8 whatever was pushed.
func AppendV1(dst []byte, m *push.Message, public, versioned bool) []byte {
	dst = append(dst, `{"msg":`...)
	if versioned {
		dst = appendValue(dst, m.Body, true)
	} else {
		dst = appendString(dst, m.Body, true)
	}
	dst = append(dst, `,"mid":`...)
	dst = strconv.AppendInt(dst, int64(m.ID), 10)
	if public {
		return append(dst, `,"gid":1}`...)
	}
	return append(dst, `,"gid":0}`...)
}

// AppendBulk adds payload in the framing of v1 over TCP:
//
//	$<length>\r\n<payload>\r\n
func AppendBulk(dst, payload []byte) []byte {
	dst = append(dst, '$')
	dst = strconv.AppendInt(dst, int64(len(payload)), 10)
	dst = append(dst, '\r', '\n')
	dst = append(dst, payload...)
	return append(dst, '\r', '\n')
}
