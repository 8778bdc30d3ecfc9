package client

import (
	"errors"
	"fmt"
	"time"

	"gopush/comet/wire"
	"gopush/internal/push"
)

var (
	// ErrProtocol is a server that does not keep to protocol v2.
	ErrProtocol = errors.New("client: the server broke the protocol")
	// ErrRunning is a second Run beside the first.
	ErrRunning = errors.New("client: already running")
	// ErrDenied is for a TokenSource to return, wrapped or not, when asking again
	// would be of no use, such as after the user has signed out.
	ErrDenied = errors.New("client: no token will be given")
)

// TokenError is a TokenSource that failed. Run returns it when it is ErrDenied;
// otherwise it comes with a KindDisconnected event, or is only logged while the old
// token holds.
type TokenError struct{ Err error }

func (e *TokenError) Error() string { return "client: getting a token: " + e.Err.Error() }

// Unwrap gives what the source returned.
func (e *TokenError) Unwrap() error { return e.Err }

// CloseError is a close by the server. Run returns it when its code is terminal;
// otherwise it comes with a KindDisconnected event, and so does the first refusal of
// a token that a TokenSource can replace.
type CloseError struct {
	Code   wire.CloseCode
	Reason string // of the close frame
	// ErrorCode and Detail are those of the error frame before the close; empty
	// when there was none.
	ErrorCode, Detail string
}

func (e *CloseError) Error() string {
	s := fmt.Sprintf("client: closed by the server: %d %s", e.Code, e.Reason)
	if e.ErrorCode != "" {
		s += ": " + e.ErrorCode + ": " + e.Detail
	}
	return s
}

// ofToken reports whether it was the token that did not do.
func (e *CloseError) ofToken() bool {
	switch e.Code {
	case wire.CloseUnauthenticated, wire.CloseTokenExpired, wire.CloseForbidden, wire.CloseRevoked:
		return true
	default:
		return false
	}
}

// LookupError is an answer of the public API that names no node. Run returns it
// unless it is Retryable.
type LookupError struct {
	Status       int    // of HTTP
	Code, Detail string // of the problem; empty when the answer was none
	RetryAfter   time.Duration
}

func (e *LookupError) Error() string {
	return fmt.Sprintf("client: looking the node up: status %d: %s: %s", e.Status, e.Code, e.Detail)
}

// Retryable reports whether the same lookup may succeed later.
func (e *LookupError) Retryable() bool { return e.Status >= 500 || e.Status == 429 || e.Status == 408 }

// ChainError is a message whose predecessor was never delivered, nor explained by
// a gap. The message is not delivered either: the client resumes from Cursor.
type ChainError struct {
	Public   bool
	Cursor   push.ID // the last id that was delivered
	Prev, ID push.ID // of the message that does not follow
}

func (e *ChainError) Error() string {
	return fmt.Sprintf("client: message %d follows %d, but %d was delivered last", e.ID, e.Prev, e.Cursor)
}

// handlerError is what OnEvent returned.
type handlerError struct{ err error }

func (e *handlerError) Error() string { return "client: event handler: " + e.err.Error() }
func (e *handlerError) Unwrap() error { return e.err }

// final reports whether err is one of those that end Run: what the application decided itself, and
// what would only happen again.
func final(err error) bool {
	if _, ok := errors.AsType[*handlerError](err); ok {
		return true
	}
	if e, ok := errors.AsType[*CloseError](err); ok {
		return e.Code.Terminal()
	}
	if e, ok := errors.AsType[*LookupError](err); ok {
		return !e.Retryable()
	}
	if e, ok := errors.AsType[*TokenError](err); ok {
		return errors.Is(e, ErrDenied)
	}
	return false
}
