package comet

import (
	"time"

	"gopush/comet/wire"
)

// ending is why a connection is closed, in each protocol's words.
type ending struct {
	reason    string         // the metrics label, and the close frame's text
	code      wire.CloseCode // v2
	v1        int            // the close code of a v1 websocket
	errorCode string         // v2: an error frame goes before the close; empty: none
	text      string         // the sentence of that frame
	move      time.Duration  // v2: a move frame goes before the close; 0: none
}

var (
	closeOverloaded = ending{
		reason: "overloaded", code: wire.CloseOverloaded, v1: 1013,
		errorCode: "busy", text: "you ask faster than you read; come back later",
	}
	closeTooOften = ending{
		reason: keyRate, code: wire.CloseOverloaded, v1: 1013,
		errorCode: "busy", text: "clients of this key connect too often; come back later, and wait longer each time",
	}
	closeLost = ending{
		reason: "ownership lost", code: wire.CloseOwnershipLost, v1: 1012,
	}
	closeHeartbeat = ending{
		reason: "heartbeat missed", code: wire.CloseHeartbeat, v1: 1001,
	}
	closeClient = ending{reason: "closed by the client", code: 1000, v1: 1000}
)

// closeDraining tells a client to look the node up again after wait.
func closeDraining(wait time.Duration) ending {
	return ending{reason: "draining", code: wire.CloseDraining, v1: 1012, move: max(wait, time.Millisecond)}
}

// closeMoved tells a client that its key has gone to another node, where it may ask
// after wait.
func closeMoved(wait time.Duration) ending {
	return ending{reason: "key moved", code: wire.CloseWrongNode, v1: 1012, move: max(wait, time.Millisecond)}
}

// closeBad is the client's own fault: code is a v2 close code.
func closeBad(code wire.CloseCode, v1 int, errorCode, text string) ending {
	return ending{reason: code.Text(), code: code, v1: v1, errorCode: errorCode, text: text}
}

// bytes is the last thing that the connection sends; TCP has no words for it.
func (e ending) bytes(f form) []byte {
	switch f {
	case formWS, formWSPlain:
		return closeFrame(e.v1, e.reason)
	case formV2:
		var b []byte
		if json, _ := e.json(); json != nil {
			b = textFrame(json)
		}
		return append(b, closeFrame(int(e.code), e.reason)...)
	case formSSE:
		if json, name := e.json(); json != nil {
			return wire.AppendEvent(nil, name, 0, 0, false, json)
		}
		return []byte(":\n\n")
	default:
		return []byte{}
	}
}

// json is the v2 frame before the close, with its type.
func (e ending) json() (frame []byte, name string) {
	switch {
	case e.move > 0:
		return wire.AppendMove(nil, e.move), "move"
	case e.errorCode != "":
		return wire.AppendError(nil, e.errorCode, e.text, !e.code.Terminal()), "error"
	default:
		return nil, ""
	}
}
