package hbase

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"gopush/internal/push"
	"gopush/message"
)

// family is the only one of the table.
const family = "m"

// Qualifiers tell what a cell is by their length: a watermark has one byte, a
// message its id, a marker an id and a kind.
const (
	idBytes = 8

	qualifierDeleted = "d"

	markRecalled  = 0x01
	markDiscarded = 0x02
)

// claimByte begins what follows the zero byte in the row key of an idempotency
// key. No reversed id begins with it, so these rows lie behind all messages of
// their subscription key: in the same region, and in no scan of messages.
const claimByte = 0xff

var errCell = errors.New("hbase: a cell that this program did not write")

// messageRow is the row of a write whose highest id is id, and the place of the
// markers of that id.
func messageRow(key push.Key, id push.ID) []byte {
	return message.AppendRowKey(make([]byte, 0, len(key)+1+idBytes), key, id)
}

// headRow is the row before all messages of a key.
func headRow(key push.Key) []byte { return messageRow(key, push.MaxID) }

func claimRow(key push.Key, idem string) []byte {
	b := make([]byte, 0, len(key)+2+len(idem))
	return append(append(append(b, key...), 0, claimByte), idem...)
}

func messageQualifier(id push.ID) string {
	return string(binary.BigEndian.AppendUint64(make([]byte, 0, idBytes), uint64(id)))
}

func markQualifier(id push.ID, kind byte) string {
	return string(append(binary.BigEndian.AppendUint64(make([]byte, 0, idBytes+1), uint64(id)), kind))
}

// rowID reads the id in a row key whose first head bytes are a subscription key
// and its zero byte.
func rowID(row []byte, head int) (push.ID, error) {
	if len(row) != head+idBytes {
		return 0, fmt.Errorf("%w: a row key of %d bytes", errCell, len(row))
	}
	reversed := binary.BigEndian.Uint64(row[head:])
	if reversed > uint64(push.MaxID) {
		return 0, fmt.Errorf("%w: a row key with a negative id", errCell)
	}
	return push.MaxID - push.ID(reversed), nil
}

// ticksPerMilli is how many units of an id are a millisecond.
const ticksPerMilli = push.ID(time.Millisecond / (100 * time.Nanosecond))

// stamp is the timestamp of the cells of a message. It comes from the id, so
// that writing the same again changes nothing: neither when it was written, nor
// when HBase drops it.
func stamp(id push.ID) uint64 { return uint64(max(id, 0) / ticksPerMilli) }

// watermarkStamp is the timestamp of a key's watermark: the id itself. HBase
// shows the cell with the highest, so a watermark never sinks, whichever of two
// deletions lands last. The very largest one means "now" to HBase.
func watermarkStamp(id push.ID) uint64 { return uint64(min(max(id, 0), math.MaxInt64-1)) }

// lives says how long HBase keeps what is written.
type lives struct {
	keep time.Duration
}

// slack is how much longer than necessary HBase keeps a cell: the horizon moves
// in steps of half of it, and region servers have clocks of their own, for which
// the other half is more than enough.
func (l lives) slack() time.Duration { return l.keep / 4 }

// longestLife bounds what a cell's life can be; HBase adds it to a timestamp.
const longestLife = 200 * 365 * 24 * time.Hour

// until is the life of a cell with id's timestamp that has to be there until
// expires, in milliseconds since the Unix epoch.
func (l lives) until(id push.ID, expires int64) time.Duration {
	ms := min(max(expires-int64(stamp(id)), 0), longestLife.Milliseconds())
	return time.Duration(ms)*time.Millisecond + l.slack()
}

// place is the life of a message's cell: as long as the message, and as long as
// its place is to be remembered.
func (l lives) place(id push.ID, expires int64) time.Duration {
	return max(l.until(id, expires), l.keep+l.slack())
}

// horizon is the id up to which cells may be gone without a trace. It moves in
// steps, so that a reader with an old cursor is told of it rarely and not on
// each read.
func (l lives) horizon(now time.Time) push.ID {
	oldest := now.Add(-l.keep)
	if oldest.Unix() <= 0 {
		return 0
	}
	return push.IDAt(oldest.Truncate(l.slack() / 2))
}

// claim is what an idempotency key led to.
type claim struct {
	id      push.ID // the message; the qualifier
	row     push.ID // the id in the row key of its write
	expires int64   // milliseconds since the Unix epoch
	sum     message.Sum
}

const (
	claimVersion = 1
	claimBytes   = 1 + idBytes + 8 + len(message.Sum{})
)

func (c *claim) value() []byte {
	b := append(make([]byte, 0, claimBytes), claimVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(c.row))
	b = binary.BigEndian.AppendUint64(b, uint64(c.expires))
	return append(b, c.sum[:]...)
}

func parseClaim(qualifier, value []byte) (claim, error) {
	if len(qualifier) != idBytes || len(value) == 0 {
		return claim{}, fmt.Errorf("%w: a claim of %d and %d bytes", errCell, len(qualifier), len(value))
	}
	if value[0] != claimVersion {
		return claim{}, fmt.Errorf("%w: a claim of version %d; this program reads version %d", errCell, value[0], claimVersion)
	}
	if len(value) != claimBytes {
		return claim{}, fmt.Errorf("%w: a claim of %d bytes", errCell, len(value))
	}
	c := claim{
		id:      push.ID(binary.BigEndian.Uint64(qualifier)),
		row:     push.ID(binary.BigEndian.Uint64(value[1:])),
		expires: int64(binary.BigEndian.Uint64(value[1+idBytes:])),
		sum:     message.Sum(value[1+idBytes+8:]),
	}
	if c.id <= 0 || c.row < c.id || c.row == push.MaxID {
		return claim{}, fmt.Errorf("%w: a claim of id %d in row %d", errCell, c.id, c.row)
	}
	return c, nil
}
