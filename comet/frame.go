package comet

import (
	"encoding/binary"
	"unicode/utf8"
)

// Frames of RFC 6455 from server to client: never masked, never fragmented. The
// websocket library reads; writing is done with these prebuilt bytes, so that a
// frame is made once for all connections and several go out in one write.

const (
	finBit      = 0x80 // the frame is the last of its message
	opcodeText  = 0x1
	opcodeClose = 0x8
	opcodePing  = 0x9
	opcodePong  = 0xa
)

func textFrame(payload []byte) []byte { return frame(opcodeText, payload) }

func frame(opcode byte, payload []byte) []byte {
	b := make([]byte, 0, len(payload)+10)
	b = append(b, finBit|opcode)
	switch n := len(payload); {
	case n < 126:
		b = append(b, byte(n))
	case n <= 0xffff:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, payload...)
}

// closeFrame carries a close code and a reason of at most 123 bytes.
func closeFrame(code int, reason string) []byte {
	for len(reason) > 123 || !utf8.ValidString(reason) {
		reason = reason[:len(reason)-1]
	}
	return frame(opcodeClose, append(binary.BigEndian.AppendUint16(nil, uint16(code)), reason...))
}
