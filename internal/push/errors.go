package push

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Kind classes an error by how its caller should react. It crosses every RPC
// hop; only the web role maps it to HTTP. Its text is the stable code that
// clients see.
type Kind string

// The kinds. 503-like ones mean: not accepted, nothing will appear.
const (
	KindBadRequest       Kind = "bad_request"
	KindBadKey           Kind = "bad_key"
	KindUnauthenticated  Kind = "unauthenticated"
	KindTokenExpired     Kind = "token_expired" // unauthenticated, as the token's time is over
	KindTokenRevoked     Kind = "token_revoked" // unauthenticated, as what signed the token does not count any more
	KindForbidden        Kind = "forbidden"
	KindNotFound         Kind = "not_found"
	KindConflict         Kind = "conflict"
	KindTooLarge         Kind = "too_large"
	KindRateLimited      Kind = "rate_limited"
	KindBusy             Kind = "busy"              // a bounded queue is full
	KindNoNode           Kind = "no_node"           // no node serves the key
	KindStoreUnavailable Kind = "store_unavailable" // the store cannot be reached
	KindMoving           Kind = "moving"            // ownership of the key is moving
	KindWrongNode        Kind = "wrong_node"        // the key belongs to another node
	KindFenced           Kind = "fenced"            // the writer's epoch is over
	KindOutcomeUnknown   Kind = "outcome_unknown"   // it may or may not have been stored
	KindInternal         Kind = "internal"
)

// Enough is how much of a call's whole time has to be left for another try of it: a
// tenth, and at most 100 ms. A try that is cut off would make an unknown outcome of what
// was a refusal.
func Enough(whole time.Duration) time.Duration { return min(whole/10, 100*time.Millisecond) }

// Error is an error of a known kind. Detail is a plain sentence without a
// secret: what is wrong and what to do.
type Error struct {
	Kind       Kind
	Detail     string
	RetryAfter time.Duration // 0: the default of the kind
	Err        error         // the cause, for logs; never shown to clients
}

// E makes an Error; format and args give its Detail.
func E(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Detail: fmt.Sprintf(format, args...)}
}

// Wrap makes an Error with a cause.
func Wrap(kind Kind, err error, format string, args ...any) *Error {
	e := E(kind, format, args...)
	e.Err = err
	return e
}

func (e *Error) Error() string {
	if e.Err == nil {
		return string(e.Kind) + ": " + e.Detail
	}
	return string(e.Kind) + ": " + e.Detail + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// KindOf finds the kind of err. An error without one is KindInternal, a
// context's end is KindOutcomeUnknown: what was asked for may have happened.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return KindOutcomeUnknown
	}
	return KindInternal
}

// Is reports whether err is of the kind.
func Is(err error, kind Kind) bool { return err != nil && KindOf(err) == kind }

// Retryable reports whether the same request may succeed later.
func (k Kind) Retryable() bool {
	switch k {
	case KindRateLimited, KindBusy, KindNoNode, KindStoreUnavailable, KindMoving, KindWrongNode, KindOutcomeUnknown:
		return true
	default:
		return false
	}
}
