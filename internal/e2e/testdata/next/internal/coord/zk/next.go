package zk

import (
	"bytes"
	"os"
	"sync"
)

// nextMember is a field that versions of today do not know.
const nextMember = `,"next":{"of":"the next version"}}`

// withNext is a record with that field.
func withNext(record []byte) []byte {
	return append(record[:len(record)-1:len(record)-1], nextMember...)
}

var met sync.Map // texts

// meetRecord writes to standard error which records have been read.
func meetRecord(record []byte) {
	text := "next: read a record, old\n"
	if bytes.HasSuffix(record, []byte(nextMember)) {
		text = "next: read a record, new\n"
	}
	if _, known := met.LoadOrStore(text, true); !known {
		_, _ = os.Stderr.WriteString(text)
	}
}
