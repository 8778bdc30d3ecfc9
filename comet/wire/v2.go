package wire

import (
	"strconv"
	"time"

	"gopush/internal/push"
)

// Types of the v2 frames.
const (
	TypeReady   = "ready"
	TypeMessage = "message"
	TypeGap     = "gap"
	TypeLive    = "live"
	TypeRecall  = "recall"
	TypeMove    = "move"
	TypeError   = "error"
	TypePing    = "ping"
	TypePong    = "pong"
	TypeToken   = "token"
)

// Ready is the first frame of a v2 stream.
type Ready struct {
	Key  push.Key
	Node string
	// Cursor and PublicCursor are where the two streams begin: what the client
	// gave, or else the newest ids.
	Cursor, PublicCursor push.ID
	Resumed              bool // the client gave a cursor
	HeartbeatS           int  // seconds between the server's pings
}

// AppendReady adds
//
//	{"type":"ready","key":K,"node":N,"cursor":ID,"public_cursor":ID,"resumed":BOOL,"heartbeat_s":N}
func AppendReady(dst []byte, r Ready) []byte {
	dst = append(dst, `{"type":"ready","key":`...)
	dst = appendString(dst, r.Key, false)
	dst = append(dst, `,"node":`...)
	dst = appendString(dst, r.Node, false)
	dst = appendID(append(dst, `,"cursor":`...), r.Cursor)
	dst = appendID(append(dst, `,"public_cursor":`...), r.PublicCursor)
	dst = strconv.AppendBool(append(dst, `,"resumed":`...), r.Resumed)
	dst = strconv.AppendInt(append(dst, `,"heartbeat_s":`...), int64(r.HeartbeatS), 10)
	return append(dst, '}')
}

// AppendMessage adds
//
//	{"type":"message","id":ID,"prev":ID,"data":JSON,"expires_at":MS}
//
// with "public":true and "transient":true where they apply. A transient message
// has no expires_at, as it does not outlive its delivery. The data is compacted;
// the frame is one line of valid UTF-8, whatever was pushed.
func AppendMessage(dst []byte, m *push.Message, public bool) []byte {
	dst = appendID(append(dst, `{"type":"message","id":`...), m.ID)
	dst = appendID(append(dst, `,"prev":`...), max(m.Prev, 0))
	dst = appendValue(append(dst, `,"data":`...), m.Body, false)
	if !m.Transient {
		dst = strconv.AppendInt(append(dst, `,"expires_at":`...), m.ExpiresAt, 10)
	}
	if m.Transient {
		dst = append(dst, `,"transient":true`...)
	}
	return appendPublic(dst, public)
}

// AppendGap adds
//
//	{"type":"gap","after":ID,"until":ID,"reason":R}
//
// and "public":true for the public stream.
func AppendGap(dst []byte, g push.Gap, public bool) []byte {
	dst = appendID(append(dst, `{"type":"gap","after":`...), g.After)
	dst = appendID(append(dst, `,"until":`...), g.Until)
	dst = appendString(append(dst, `,"reason":`...), g.Reason, false)
	return appendPublic(dst, public)
}

// AppendRecall adds
//
//	{"type":"recall","id":ID}
//
// and "public":true for the public stream.
func AppendRecall(dst []byte, id push.ID, public bool) []byte {
	dst = appendID(append(dst, `{"type":"recall","id":`...), id)
	return appendPublic(dst, public)
}

// AppendLive adds the frame that says that the replay is over.
func AppendLive(dst []byte) []byte { return append(dst, `{"type":"live"}`...) }

// AppendMove adds {"type":"move","retry_after_ms":N}: the client shall look its
// node up again after that time, which is rounded up to a millisecond.
func AppendMove(dst []byte, retryAfter time.Duration) []byte {
	ms := (max(retryAfter, 0) + time.Millisecond - 1) / time.Millisecond
	dst = strconv.AppendInt(append(dst, `{"type":"move","retry_after_ms":`...), int64(ms), 10)
	return append(dst, '}')
}

// AppendError adds {"type":"error","code":C,"message":TEXT,"retryable":BOOL}.
func AppendError(dst []byte, code, text string, retryable bool) []byte {
	dst = appendString(append(dst, `{"type":"error","code":`...), code, false)
	dst = appendString(append(dst, `,"message":`...), text, false)
	dst = strconv.AppendBool(append(dst, `,"retryable":`...), retryable)
	return append(dst, '}')
}

// AppendPong adds the answer to a client's ping.
func AppendPong(dst []byte) []byte { return append(dst, `{"type":"pong"}`...) }

// appendID adds an id as a decimal string: not every JSON reader is exact with
// large numbers.
func appendID(dst []byte, id push.ID) []byte {
	dst = strconv.AppendInt(append(dst, '"'), int64(id), 10)
	return append(dst, '"')
}

// appendPublic ends a frame.
func appendPublic(dst []byte, public bool) []byte {
	if public {
		dst = append(dst, `,"public":true`...)
	}
	return append(dst, '}')
}
