package message

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"gopush/internal/push"
)

// The envelope is a message as it is stored, under its row key:
//
//	1 byte    version, 1
//	1 byte    flags: 1 says that extensions follow; unknown ones are ignored
//	8 bytes   expires at, milliseconds since the Unix epoch, big-endian
//	8 bytes   id before it in the stream, big-endian
//	1 byte    length of the idempotency key, then the key
//	2 bytes   with flag 1 alone: length of the extensions, big-endian, then those
//	the rest  the body
//
// Extensions are for what later versions add: each is a number (1 byte), a length
// (2 bytes, big-endian) and a value. This version writes none and skips all of them, so a
// later one may write them at once. What older readers must not overlook counts the
// version up instead.
const (
	envelopeVersion = 1
	flagExtended    = 1 << 0
	envelopeHead    = 1 + 1 + 8 + 8 + 1
	// MaxIdempotencyKey is the longest idempotency key, in bytes.
	MaxIdempotencyKey = 128
)

var errEnvelope = errors.New("message: not an envelope")

// AppendEnvelope adds m's envelope to dst. The id is not in it: it is in the row
// key.
func AppendEnvelope(dst []byte, m *push.Message) []byte {
	dst = append(dst, envelopeVersion, 0)
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.ExpiresAt))
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.Prev))
	dst = append(dst, byte(len(m.IdempotencyKey)))
	dst = append(dst, m.IdempotencyKey...)
	return append(dst, m.Body...)
}

// EnvelopeSize is how many bytes AppendEnvelope adds.
func EnvelopeSize(m *push.Message) int { return envelopeHead + len(m.IdempotencyKey) + len(m.Body) }

// ParseEnvelope reads an envelope. The body and the idempotency key are copies.
func ParseEnvelope(b []byte, id push.ID) (push.Message, error) {
	m, body, err := parseHead(b)
	if err != nil {
		return push.Message{}, err
	}
	m.ID = id
	m.Body = append(make([]byte, 0, len(body)), body...)
	return m, nil
}

// ParseEnvelopeHead is ParseEnvelope without the body, for those who only ask
// where a message stands and when it ends.
func ParseEnvelopeHead(b []byte, id push.ID) (push.Message, error) {
	m, _, err := parseHead(b)
	m.ID = id
	return m, err
}

// parseHead reads all but the body, which it returns as a part of b.
func parseHead(b []byte) (m push.Message, body []byte, err error) {
	if len(b) < envelopeHead {
		return m, nil, fmt.Errorf("%w: %d bytes", errEnvelope, len(b))
	}
	if b[0] != envelopeVersion {
		return m, nil, fmt.Errorf("%w: version %d; this program reads version %d", errEnvelope, b[0], envelopeVersion)
	}
	m.ExpiresAt = int64(binary.BigEndian.Uint64(b[2:]))
	m.Prev = push.ID(binary.BigEndian.Uint64(b[10:]))
	rest := b[envelopeHead:]
	n := int(b[envelopeHead-1])
	if n > len(rest) || n > MaxIdempotencyKey || m.Prev < 0 {
		return m, nil, fmt.Errorf("%w: its lengths do not agree", errEnvelope)
	}
	m.IdempotencyKey = string(rest[:n])
	body, err = behindExtensions(b[1], rest[n:])
	return m, body, err
}

// behindExtensions is the body: what follows the extensions, if the flags say that there
// are any.
func behindExtensions(flags byte, rest []byte) ([]byte, error) {
	if flags&flagExtended == 0 {
		return rest, nil
	}
	if len(rest) < 2 {
		return nil, fmt.Errorf("%w: its extensions have no length", errEnvelope)
	}
	n := int(binary.BigEndian.Uint16(rest))
	if rest = rest[2:]; n > len(rest) {
		return nil, fmt.Errorf("%w: its extensions are cut short", errEnvelope)
	}
	return rest[n:], nil
}

// Sum stands for a body when a retry is compared with what is stored: the first
// half of its SHA-256.
type Sum [16]byte

// BodySum computes the Sum of a body.
func BodySum(body []byte) Sum {
	full := sha256.Sum256(body)
	return Sum(full[:16])
}
