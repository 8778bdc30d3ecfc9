package rpc

import (
	"context"
	"errors"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"gopush/internal/push"
	"gopush/internal/rpc/pb"
)

// errorDomain marks the details that are ours among those of a status.
const errorDomain = "gopush"

// maxDetail bounds the text of an error on the wire, so that a frame of errors
// stays small.
const maxDetail = 1 << 10

// kindCodes gives the status code of each kind, for tools that know gRPC only,
// and is the list of the kinds that this version knows.
var kindCodes = map[push.Kind]codes.Code{
	push.KindBadRequest:       codes.InvalidArgument,
	push.KindBadKey:           codes.InvalidArgument,
	push.KindUnauthenticated:  codes.Unauthenticated,
	push.KindTokenExpired:     codes.Unauthenticated,
	push.KindTokenRevoked:     codes.Unauthenticated,
	push.KindForbidden:        codes.PermissionDenied,
	push.KindNotFound:         codes.NotFound,
	push.KindConflict:         codes.AlreadyExists,
	push.KindTooLarge:         codes.InvalidArgument,
	push.KindRateLimited:      codes.ResourceExhausted,
	push.KindBusy:             codes.ResourceExhausted,
	push.KindNoNode:           codes.Unavailable,
	push.KindStoreUnavailable: codes.Unavailable,
	push.KindMoving:           codes.Unavailable,
	push.KindWrongNode:        codes.FailedPrecondition,
	push.KindFenced:           codes.FailedPrecondition,
	push.KindOutcomeUnknown:   codes.Aborted,
	push.KindInternal:         codes.Internal,
}

// knownKind maps a kind that only a newer peer knows to KindInternal: guessing
// that it can be retried could repeat something.
func knownKind(s string) push.Kind {
	if _, ok := kindCodes[push.Kind(s)]; ok {
		return push.Kind(s)
	}
	return push.KindInternal
}

// outward is the part of err that may cross: kind, detail, retry hint. The
// cause stays, and so does the text of an error without a kind.
func outward(err error) (push.Kind, string, time.Duration) {
	kind := push.KindOf(err)
	e, ok := errors.AsType[*push.Error](err)
	switch {
	case ok:
		return kind, clip(e.Detail), e.RetryAfter
	case kind == push.KindOutcomeUnknown:
		return kind, "the call ended before its outcome was known", 0
	default:
		return kind, "internal error; the log of the node has the cause", 0
	}
}

func clip(s string) string {
	if len(s) > maxDetail {
		s = s[:maxDetail]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// errorToPB is for answers in a stream; nil gives nil.
func errorToPB(err error) *pb.Error {
	if err == nil {
		return nil
	}
	kind, detail, after := outward(err)
	return &pb.Error{Kind: string(kind), Detail: detail, RetryAfterNs: int64(after)}
}

// errorFromPB is the inverse of errorToPB; nil gives nil.
func errorFromPB(e *pb.Error) error {
	if e == nil {
		return nil
	}
	return &push.Error{
		Kind: knownKind(e.GetKind()), Detail: e.GetDetail(), RetryAfter: time.Duration(max(0, e.GetRetryAfterNs())),
	}
}

// statusOf turns err into what a unary call or the end of a stream returns.
func statusOf(err error) error {
	if err == nil {
		return nil
	}
	kind, detail, after := outward(err)
	st := status.New(kindCodes[knownKind(string(kind))], detail)
	info := &errdetails.ErrorInfo{Domain: errorDomain, Reason: string(kind)}
	with, failed := st.WithDetails(info, &errdetails.RetryInfo{RetryDelay: durationpb.New(after)})
	if failed != nil {
		return st.Err()
	}
	return with.Err()
}

// kinded finds the push.Error that a peer's statusOf put into err.
func kinded(err error) (*push.Error, bool) {
	st, ok := status.FromError(err)
	if !ok || st.Code() == codes.OK {
		return nil, false
	}
	e := &push.Error{Detail: st.Message()}
	for _, d := range st.Details() {
		switch d := d.(type) {
		case *errdetails.ErrorInfo:
			if d.GetDomain() == errorDomain {
				e.Kind = knownKind(d.GetReason())
			}
		case *errdetails.RetryInfo:
			e.RetryAfter = max(0, d.GetRetryDelay().AsDuration())
		}
	}
	return e, e.Kind != ""
}

// verb says what a failed call means to its caller.
type verb struct {
	peer    string    // the role, for texts
	unsent  push.Kind // nothing has happened, and nothing will
	changes bool      // a lost reply leaves the outcome unknown
}

var (
	messageRead   = verb{peer: "message", unsent: push.KindStoreUnavailable}
	messageChange = verb{peer: "message", unsent: push.KindStoreUnavailable, changes: true}
	cometRead     = verb{peer: "comet", unsent: push.KindNoNode}
	cometChange   = verb{peer: "comet", unsent: push.KindNoNode, changes: true}
)

// lost is the kind of an error after which the peer may have acted.
func (v verb) lost() push.Kind {
	if v.changes {
		return push.KindOutcomeUnknown
	}
	return v.unsent
}

// answered classes the error that a peer gave as the answer to an item; nil
// gives nil.
func (v verb) answered(e *pb.Error, addr string) error {
	err := errorFromPB(e)
	if !v.changes && push.Is(err, push.KindOutcomeUnknown) {
		// The peer ran out of time. A read has no outcome that could matter.
		return push.Wrap(v.unsent, err, "the %s node %s did not answer in time", v.peer, addr)
	}
	return err
}

// failure classes what a unary call to addr returned. sent says that the
// request was handed to a connection, so the peer may have acted on it.
func (v verb) failure(err error, addr string, sent bool) error {
	if e, ok := kinded(err); ok {
		if e.Kind == push.KindOutcomeUnknown && !v.changes {
			// The peer ran out of time. A read has no outcome that could matter.
			return push.Wrap(v.unsent, err, "the %s node %s did not answer in time", v.peer, addr)
		}
		return e
	}
	lost := v.unsent
	if sent {
		lost = v.lost()
	}
	switch status.Code(err) {
	case codes.Unimplemented:
		// An older peer: it has surely done nothing, another node may know the call.
		return push.Wrap(v.unsent, err, "the %s node %s does not know this call", v.peer, addr)
	case codes.ResourceExhausted:
		return exhausted(err, addr)
	case codes.Unavailable, codes.Internal, codes.Unknown:
		if status.Code(err) != codes.Unavailable && !v.changes {
			return push.Wrap(push.KindInternal, err, "the call to the %s node %s failed", v.peer, addr)
		}
		return push.Wrap(lost, err, "the %s node %s cannot be reached", v.peer, addr)
	case codes.DeadlineExceeded, codes.Canceled:
		return push.Wrap(lost, contextual(err), "the %s node %s did not answer in time", v.peer, addr)
	default:
		return push.Wrap(push.KindInternal, err, "the call to the %s node %s failed", v.peer, addr)
	}
}

// exhausted tells a message over the size limits from a peer that is full.
// gRPC has one code for both; only its text differs.
func exhausted(err error, addr string) error {
	if strings.Contains(status.Convert(err).Message(), "larger than max") {
		return push.Wrap(push.KindTooLarge, err, "the message to or from %s is over %d bytes", addr, maxMessage)
	}
	return push.Wrap(push.KindBusy, err, "the node %s is full", addr)
}

// contextual lets errors.Is find the context's error behind a status.
func contextual(err error) error {
	if status.Code(err) == codes.Canceled {
		return errors.Join(context.Canceled, err)
	}
	return errors.Join(context.DeadlineExceeded, err)
}
