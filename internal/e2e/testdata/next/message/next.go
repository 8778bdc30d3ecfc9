package message

import (
	"encoding/binary"
	"os"
	"sync"
)

// A later version of the envelope: it has an extension, and a flag that says nothing yet.

const nextFlags = flagExtended | 0x80

// nextValue is what the extension holds.
const nextValue = "of the next version"

// nextExtension is the extensions of an envelope, with their length.
func nextExtension() []byte {
	ext := append([]byte{1}, binary.BigEndian.AppendUint16(nil, uint16(len(nextValue)))...)
	ext = append(ext, nextValue...)
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(ext))), ext...)
}

var met sync.Map // texts

// meetEnvelope writes to standard error which envelopes have been read.
func meetEnvelope(flags byte) {
	text := "next: read an envelope, old\n"
	if flags == nextFlags {
		text = "next: read an envelope, new\n"
	}
	if _, known := met.LoadOrStore(text, true); !known {
		_, _ = os.Stderr.WriteString(text)
	}
}
