package comet

import (
	"sync/atomic"
	"time"

	"gopush/comet/wire"
	"gopush/internal/push"
)

// event is what a subscriber may be told. One event is shared by all of a
// channel's subscribers; each form of its bytes is made once, on first need.
type event struct {
	kind   eventKind
	public bool
	msg    push.Message // evMessage, evTransient; evRecall and evDelete: the ID
	gap    push.Gap     // evGap
	raw    []byte       // evRaw, evClose: complete bytes of the connection's transport
	since  time.Time    // when the push was taken on here; zero: not known
	trace  string       // of the push, as it is carried; empty: none
	enc    [formCount]atomic.Pointer[[]byte]
}

type eventKind uint8

const (
	evMessage eventKind = iota
	evTransient
	evRecall
	evDelete
	evGap
	evLive
	evRaw   // replies, pings: nothing of a stream
	evClose // the last one of a connection
)

// form is one way to put events into bytes.
type form uint8

const (
	formTCP      form = iota // v1, with a version
	formTCPPlain             // v1, without one
	formWS                   // v1 over websocket, with a version
	formWSPlain
	formV2    // v2 over websocket
	formSSE   // v2's JSON; the event's frame around it is the connection's own
	formCount = iota
)

// v2 reports whether the form can say more than messages.
func (f form) v2() bool { return f == formV2 || f == formSSE }

// size is what the event counts for in a queue.
func (ev *event) size() int { return 64 + len(ev.msg.Body) + len(ev.raw) }

// bytes gives the event in a form; nil when the form has no word for it.
func (ev *event) bytes(f form) []byte {
	if ev.raw != nil {
		return ev.raw
	}
	if p := ev.enc[f].Load(); p != nil {
		return *p
	}
	b := ev.encode(f)
	// Two goroutines may both come here; they make the same bytes.
	ev.enc[f].Store(&b)
	return b
}

func (ev *event) encode(f form) []byte {
	if f.v2() {
		json := ev.json()
		if f == formV2 && json != nil {
			return textFrame(json)
		}
		return json
	}
	if ev.kind != evMessage && ev.kind != evTransient {
		return nil
	}
	json := wire.AppendV1(make([]byte, 0, len(ev.msg.Body)+64), &ev.msg, ev.public, f == formTCP || f == formWS)
	if f == formTCP || f == formTCPPlain {
		return wire.AppendBulk(nil, json)
	}
	return textFrame(json)
}

// json is the v2 frame of the event.
func (ev *event) json() []byte {
	switch ev.kind {
	case evMessage, evTransient:
		return wire.AppendMessage(make([]byte, 0, len(ev.msg.Body)+128), &ev.msg, ev.public)
	case evRecall:
		return wire.AppendRecall(nil, ev.msg.ID, ev.public)
	case evGap:
		return wire.AppendGap(nil, ev.gap, ev.public)
	case evLive:
		return wire.AppendLive(nil)
	default:
		return nil
	}
}
