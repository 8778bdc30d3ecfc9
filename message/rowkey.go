package message

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"gopush/internal/push"
)

// A row key is the subscription key, a zero byte, and the message id reversed:
// eight bytes, big-endian, of MaxInt64 minus the id. So the rows of a key lie
// together, newest first, and no key's rows run into another's: a key has no
// control character, so the zero byte ends it without doubt.

// idBytes is the length of a reversed id.
const idBytes = 8

var errRowKey = errors.New("message: not a row key")

// AppendRowKey adds the row key of a message to dst.
func AppendRowKey(dst []byte, key push.Key, id push.ID) []byte {
	dst = append(append(dst, key...), 0)
	return binary.BigEndian.AppendUint64(dst, uint64(push.MaxID-id))
}

// ParseRowKey takes a row key apart.
func ParseRowKey(row []byte) (push.Key, push.ID, error) {
	end := bytes.IndexByte(row, 0)
	if end < 1 || end > push.MaxKeyBytes || len(row) != end+1+idBytes {
		return "", 0, fmt.Errorf("%w: %d bytes", errRowKey, len(row))
	}
	reversed := binary.BigEndian.Uint64(row[end+1:])
	if reversed > uint64(push.MaxID) {
		return "", 0, fmt.Errorf("%w: the id is negative", errRowKey)
	}
	return push.Key(row[:end]), push.MaxID - push.ID(reversed), nil
}

// RowRange bounds the rows of key with after < id <= until (0: no upper bound):
// from <= row < to.
func RowRange(key push.Key, after, until push.ID) (from, to []byte) {
	if until <= 0 {
		until = push.MaxID
	}
	return AppendRowKey(nil, key, until), AppendRowKey(nil, key, max(after, 0))
}

// FirstKeyByte is the lowest byte that a user's key may begin with; the public stream's and
// whatever a store reserves begin below it.
const FirstKeyByte = 0x20

// AppendBehindKey adds to dst where the rows of every key behind this one begin; "" is before
// all users' keys.
func AppendBehindKey(dst []byte, key push.Key) []byte {
	if key == "" {
		return append(dst, FirstKeyByte)
	}
	return append(append(dst, key...), 1)
}

// KeyOfRow is the subscription key that a row begins with, whatever kind of row it is.
func KeyOfRow(row []byte) (push.Key, error) {
	end := bytes.IndexByte(row, 0)
	if end < 1 || end > push.MaxKeyBytes {
		return "", fmt.Errorf("%w: %d bytes", errRowKey, len(row))
	}
	return push.Key(row[:end]), nil
}
