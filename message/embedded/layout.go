package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"

	"gopush/internal/push"
	"gopush/message"
)

const (
	tableMessages    = 'm'
	tableMarks       = 'k'
	tableIdempotency = 'i'
	tableExpiry      = 'e'
	tableVersion     = 'v'

	formatVersion = "gopush 1"
)

// A marker lies right behind its message's row.
const (
	markerSuffix  = 0x01
	markRecalled  = 1
	markDiscarded = 2
)

const idBytes = 8

var errCorrupt = errors.New("embedded: the store is corrupt")

// rowHead is how many bytes of a key in the message table come before the id.
func rowHead(key push.Key) int { return 1 + len(key) + 1 }

func appendRowKey(b []byte, key push.Key, id push.ID) []byte {
	return message.AppendRowKey(append(b, tableMessages), key, id)
}

func rowKey(key push.Key, id push.ID) []byte {
	return appendRowKey(make([]byte, 0, rowHead(key)+idBytes), key, id)
}

func markerKey(key push.Key, id push.ID) []byte {
	return append(appendRowKey(make([]byte, 0, rowHead(key)+idBytes+1), key, id), markerSuffix)
}

// rowRange bounds the rows and markers with after < id <= until (0: no upper
// bound). Ids are reversed, so the higher one comes first.
func rowRange(key push.Key, after, until push.ID) (from, to []byte) {
	if until <= 0 {
		until = push.MaxID
	}
	n := rowHead(key) + idBytes
	b := appendRowKey(make([]byte, 0, 2*n), key, until)
	b = appendRowKey(b, key, max(after, 0))
	return b[:n:n], b[n:]
}

// parseRow takes a key of the message table apart, when its subscription key is
// not known.
func parseRow(b []byte) (push.Key, push.ID, error) {
	key, id, err := message.ParseRowKey(b[1:])
	if err != nil {
		return "", 0, fmt.Errorf("%w: %w", errCorrupt, err)
	}
	return key, id, nil
}

// parseRowTail reads what follows the first head bytes of a key in the message
// table.
func parseRowTail(b []byte, head int) (id push.ID, marker bool, err error) {
	switch len(b) {
	case head + idBytes:
	case head + idBytes + 1:
		marker = true
	default:
		return 0, false, fmt.Errorf("%w: a row key of %d bytes", errCorrupt, len(b))
	}
	return push.MaxID - push.ID(binary.BigEndian.Uint64(b[head:])), marker, nil
}

func parseMarker(value []byte) (byte, error) {
	if len(value) != 1 {
		return 0, fmt.Errorf("%w: a marker of %d bytes", errCorrupt, len(value))
	}
	return value[0], nil
}

func marksKey(key push.Key) []byte {
	return append(append(make([]byte, 0, 1+len(key)), tableMarks), key...)
}

func marksValue(m message.Marks) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 16), uint64(m.Deleted))
	return binary.BigEndian.AppendUint64(b, uint64(m.Expired))
}

func parseMarks(b []byte) (message.Marks, error) {
	if len(b) != 16 {
		return message.Marks{}, fmt.Errorf("%w: watermarks of %d bytes", errCorrupt, len(b))
	}
	return message.Marks{
		Deleted: push.ID(binary.BigEndian.Uint64(b)),
		Expired: push.ID(binary.BigEndian.Uint64(b[8:])),
	}, nil
}

func idempotencyKey(key push.Key, idem string) []byte {
	b := append(make([]byte, 0, 2+len(key)+len(idem)), tableIdempotency)
	return append(append(append(b, key...), 0), idem...)
}

// appendExpiry begins the key of an entry of the expiry index; the key that it
// names comes behind.
func appendExpiry(b []byte, ms int64) []byte {
	return binary.BigEndian.AppendUint64(append(b, tableExpiry), uint64(max(ms, 0)))
}

// expiryBytes is the length of what appendExpiry adds.
const expiryBytes = 9

func parseExpiry(b []byte) (ms int64, target []byte, err error) {
	if len(b) <= expiryBytes {
		return 0, nil, fmt.Errorf("%w: an expiry entry of %d bytes", errCorrupt, len(b))
	}
	return int64(binary.BigEndian.Uint64(b[1:])), b[expiryBytes:], nil
}

// receipt is what an idempotency key stands for.
type receipt struct {
	id      push.ID
	expires int64 // milliseconds since the Unix epoch
	sum     message.Sum
}

func (r receipt) value() []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 32), uint64(r.id))
	return append(binary.BigEndian.AppendUint64(b, uint64(r.expires)), r.sum[:]...)
}

func parseReceipt(b []byte) (receipt, error) {
	if len(b) != 32 {
		return receipt{}, fmt.Errorf("%w: a receipt of %d bytes", errCorrupt, len(b))
	}
	return receipt{
		id:      push.ID(binary.BigEndian.Uint64(b)),
		expires: int64(binary.BigEndian.Uint64(b[8:])),
		sum:     message.Sum(b[16:]),
	}, nil
}
