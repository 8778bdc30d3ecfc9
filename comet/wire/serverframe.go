package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gopush/internal/push"
)

// ServerFrame is what a v2 server says; Type tells which of the fields hold
// something.
type ServerFrame struct {
	Type string

	Ready Ready // TypeReady

	ID        push.ID         // TypeMessage, TypeRecall
	Prev      push.ID         // TypeMessage
	Data      json.RawMessage // TypeMessage
	ExpiresAt int64           // TypeMessage, unix milliseconds; 0: unknown
	Transient bool            // TypeMessage: moves no cursor
	Public    bool            // TypeMessage, TypeGap, TypeRecall: of the public stream
	Gap       push.Gap        // TypeGap

	RetryAfter time.Duration // TypeMove

	Code, Text string // TypeError
	Retryable  bool   // TypeError
}

// decimal is an id as v2 writes it; ok only if it is there and is one.
type decimal struct {
	id push.ID
	ok bool
}

// UnmarshalJSON never fails: a frame of a later version may hold anything.
func (d *decimal) UnmarshalJSON(b []byte) error {
	id, err := push.ParseID(textOf(b))
	*d = decimal{id: id, ok: err == nil}
	return nil
}

// serverFields are the fields of all frames.
type serverFields struct {
	Type         string          `json:"type"`
	Key          push.Key        `json:"key"`
	Node         string          `json:"node"`
	Cursor       decimal         `json:"cursor"`
	PublicCursor decimal         `json:"public_cursor"`
	Resumed      bool            `json:"resumed"`
	HeartbeatS   int             `json:"heartbeat_s"`
	ID           decimal         `json:"id"`
	Prev         decimal         `json:"prev"`
	Data         json.RawMessage `json:"data"`
	ExpiresAt    int64           `json:"expires_at"`
	Public       bool            `json:"public"`
	Transient    bool            `json:"transient"`
	After        decimal         `json:"after"`
	Until        decimal         `json:"until"`
	Reason       push.GapReason  `json:"reason"`
	RetryAfterMS int64           `json:"retry_after_ms"`
	Code         string          `json:"code"`
	Message      string          `json:"message"`
	Retryable    bool            `json:"retryable"`
}

// ParseServerFrame reads one frame of a server. ErrFrame is what is no JSON
// object, has no type, or lacks a field without which a frame of a known type
// means nothing. Unknown types and fields are fine. It does not bound the size;
// the reader of the connection does.
func ParseServerFrame(data []byte) (ServerFrame, error) {
	var v serverFields
	err := json.Unmarshal(data, &v)
	if _, odd := errors.AsType[*json.UnmarshalTypeError](err); odd && !v.known() && v.Type != "" {
		err = nil // a later version's frame, whose fields have other types
	}
	if err != nil {
		return ServerFrame{}, fmt.Errorf("%w: %w", ErrFrame, err)
	}
	f, ok := v.frame()
	if v.Type == "" || !ok {
		return ServerFrame{}, fmt.Errorf("%w: a field of a frame of type %q is missing or out of range", ErrFrame, v.Type)
	}
	return f, nil
}

// known reports whether the type is one that has fields here.
func (v *serverFields) known() bool {
	switch v.Type {
	case TypeReady, TypeMessage, TypeGap, TypeLive, TypeRecall, TypeMove, TypeError, TypePong:
		return true
	default:
		return false
	}
}

// frame picks the fields of the type; not ok when one that it needs is missing.
func (v *serverFields) frame() (f ServerFrame, ok bool) {
	f = ServerFrame{Type: v.Type}
	switch v.Type {
	case TypeReady:
		f.Ready = Ready{
			Key: v.Key, Node: v.Node, Cursor: v.Cursor.id, PublicCursor: v.PublicCursor.id,
			Resumed: v.Resumed, HeartbeatS: v.HeartbeatS,
		}
		return f, v.Cursor.ok && v.PublicCursor.ok && v.HeartbeatS > 0 && v.HeartbeatS <= maxHeartbeatS
	case TypeMessage:
		f.ID, f.Prev, f.Data, f.ExpiresAt = v.ID.id, v.Prev.id, v.Data, v.ExpiresAt
		f.Public, f.Transient = v.Public, v.Transient
		return f, v.ID.ok && v.Prev.ok && v.Data != nil
	case TypeGap:
		f.Gap = push.Gap{After: v.After.id, Until: v.Until.id, Reason: v.Reason}
		f.Public = v.Public
		return f, v.After.ok && v.Until.ok && f.Gap.After <= f.Gap.Until
	case TypeRecall:
		f.ID, f.Public = v.ID.id, v.Public
		return f, v.ID.ok
	case TypeMove:
		f.RetryAfter = time.Duration(v.RetryAfterMS) * time.Millisecond
		return f, v.RetryAfterMS >= 0 && v.RetryAfterMS <= maxRetryAfterMS
	case TypeError:
		f.Code, f.Text, f.Retryable = v.Code, v.Message, v.Retryable
	}
	return f, true
}

// Times that a server gives are bounded to a day, so that they cannot overflow.
const (
	maxHeartbeatS   = 24 * 60 * 60
	maxRetryAfterMS = maxHeartbeatS * 1000
)
