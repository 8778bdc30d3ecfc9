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
	tableDeleted     = 'd'
	tableExpired     = 'x'
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

var errCorrupt = errors.New("embedded: the store is corrupt")

func rowKey(key push.Key, id push.ID) []byte {
	b := make([]byte, 0, 1+len(key)+1+8+1)
	return message.AppendRowKey(append(b, tableMessages), key, id)
}

func markerKey(key push.Key, id push.ID) []byte { return append(rowKey(key, id), markerSuffix) }

// rowRange bounds the rows and markers with after < id <= until.
func rowRange(key push.Key, after, until push.ID) (from, to []byte) {
	from, to = message.RowRange(key, after, until)
	return append([]byte{tableMessages}, from...), append([]byte{tableMessages}, to...)
}

// parseRow takes a key of the message table apart.
func parseRow(b []byte) (key push.Key, id push.ID, marker bool, err error) {
	row := b[1:]
	// The zero byte that ends the key is the first one, and what follows it has
	// a fixed length: eight bytes, and one more for a marker.
	for i, c := range row {
		if c == 0 {
			marker = len(row) == i+1+8+1
			break
		}
	}
	if marker {
		row = row[:len(row)-1]
	}
	key, id, err = message.ParseRowKey(row)
	return key, id, marker, err
}

func markKey(table byte, key push.Key) []byte {
	return append(append(make([]byte, 0, 1+len(key)), table), key...)
}

func idempotencyKey(key push.Key, idem string) []byte {
	b := append(make([]byte, 0, 2+len(key)+len(idem)), tableIdempotency)
	return append(append(append(b, key...), 0), idem...)
}

// expiryKey says that the entry named by target ends at ms.
func expiryKey(ms int64, target []byte) []byte {
	b := append(make([]byte, 0, 9+len(target)), tableExpiry)
	return append(binary.BigEndian.AppendUint64(b, uint64(max(ms, 0))), target...)
}

func parseExpiry(b []byte) (ms int64, target []byte, err error) {
	if len(b) < 10 {
		return 0, nil, fmt.Errorf("%w: an expiry entry of %d bytes", errCorrupt, len(b))
	}
	return int64(binary.BigEndian.Uint64(b[1:])), b[9:], nil
}

func idValue(id push.ID) []byte { return binary.BigEndian.AppendUint64(nil, uint64(id)) }

func parseIDValue(b []byte) (push.ID, error) {
	if len(b) != 8 {
		return 0, fmt.Errorf("%w: an id of %d bytes", errCorrupt, len(b))
	}
	return push.ID(binary.BigEndian.Uint64(b)), nil
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
