package rpc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"pgregory.net/rapid"

	"gopush/internal/push"
	"gopush/internal/rpc/pb"
)

func allKinds() []push.Kind {
	return []push.Kind{
		push.KindBadRequest, push.KindBadKey, push.KindUnauthenticated, push.KindForbidden, push.KindNotFound,
		push.KindConflict, push.KindTooLarge, push.KindRateLimited, push.KindBusy, push.KindNoNode,
		push.KindStoreUnavailable, push.KindMoving, push.KindWrongNode, push.KindFenced, push.KindOutcomeUnknown,
		push.KindInternal, push.KindTokenExpired, push.KindTokenRevoked,
	}
}

func TestEveryKindIsKnown(t *testing.T) {
	if len(allKinds()) != len(kindCodes) {
		t.Errorf("%d kinds here, %d in the table", len(allKinds()), len(kindCodes))
	}
	for _, k := range allKinds() {
		if knownKind(string(k)) != k {
			t.Errorf("kind %q does not survive", k)
		}
	}
}

// An error crosses in two ways; both must keep all of it but the cause.
func TestErrorsSurvive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := &push.Error{
			Kind: rapid.SampledFrom(allKinds()).Draw(t, "kind"), Detail: rapid.StringN(0, 80, maxDetail).Draw(t, "detail"),
			RetryAfter: time.Duration(rapid.Int64Range(0, int64(24*time.Hour)).Draw(t, "after")),
			Err:        errors.New("the secret cause"),
		}
		wrapped := fmt.Errorf("somewhere: %w", in)
		unary, ok := kinded(statusOf(wrapped))
		if !ok {
			t.Fatal("the status has no kind")
		}
		for _, got := range []error{unary, errorFromPB(over(t, errorToPB(wrapped), new(pb.Error)))} {
			e, ok := errors.AsType[*push.Error](got)
			if !ok || e.Kind != in.Kind || e.Detail != in.Detail || e.RetryAfter != in.RetryAfter {
				t.Fatalf("sent %+v, got %+v", in, e)
			}
			if e.Err != nil || strings.Contains(got.Error(), "secret") {
				t.Fatalf("the cause crossed: %v", got)
			}
		}
	})
}

func TestPlainErrorsDoNotLeak(t *testing.T) {
	plain := errors.New("password=hunter2")
	for _, err := range []error{statusOf(plain), errorFromPB(errorToPB(plain))} {
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("leaked: %v", err)
		}
	}
	wantKind(t, errorFromPB(errorToPB(plain)), push.KindInternal)
	wantKind(t, errorFromPB(errorToPB(context.DeadlineExceeded)), push.KindOutcomeUnknown)
	if errorToPB(nil) != nil || errorFromPB(nil) != nil || statusOf(nil) != nil {
		t.Error("no error became one")
	}
}

func TestStrangeErrors(t *testing.T) {
	wantKind(t, errorFromPB(&pb.Error{Kind: "from_the_future"}), push.KindInternal)
	e, _ := errors.AsType[*push.Error](errorFromPB(&pb.Error{Kind: "busy", RetryAfterNs: -5}))
	if e.RetryAfter != 0 {
		t.Errorf("retry after %v", e.RetryAfter)
	}
	bad := push.E(push.KindBadKey, "%s", "\xff"+strings.Repeat("é", maxDetail))
	over(t, errorToPB(bad), new(pb.Error)) // must be valid UTF-8 after it was cut
	if _, ok := kinded(statusOf(bad)); !ok {
		t.Error("no kind")
	}
}

func TestStatusesWithoutAKind(t *testing.T) {
	size := "grpc: received message larger than max (9000000 vs. 8388608)"
	for _, tc := range []struct {
		code codes.Code
		text string
		v    verb
		sent bool
		want push.Kind
	}{
		{codes.Unavailable, "", messageRead, true, push.KindStoreUnavailable},
		{codes.Unavailable, "", messageChange, true, push.KindOutcomeUnknown},
		{codes.Unavailable, "", messageChange, false, push.KindStoreUnavailable},
		{codes.Unavailable, "", cometRead, true, push.KindNoNode},
		{codes.Unavailable, "", cometChange, true, push.KindOutcomeUnknown},
		{codes.Unavailable, "", cometChange, false, push.KindNoNode},
		{codes.DeadlineExceeded, "", messageRead, true, push.KindStoreUnavailable},
		{codes.DeadlineExceeded, "", messageChange, true, push.KindOutcomeUnknown},
		{codes.Canceled, "", cometChange, true, push.KindOutcomeUnknown},
		{codes.Canceled, "", cometChange, false, push.KindNoNode},
		{codes.ResourceExhausted, "", messageRead, true, push.KindBusy},
		{codes.ResourceExhausted, size, messageRead, true, push.KindTooLarge},
		{codes.Unimplemented, "", messageChange, true, push.KindStoreUnavailable},
		{codes.Internal, "", messageRead, true, push.KindInternal},
		{codes.Internal, "", messageChange, true, push.KindOutcomeUnknown},
		{codes.PermissionDenied, "", messageChange, true, push.KindInternal},
	} {
		err := tc.v.failure(status.Error(tc.code, tc.text), "a:1", tc.sent)
		if !push.Is(err, tc.want) {
			t.Errorf("%v changes=%v sent=%v: got %v, want %v", tc.code, tc.v.changes, tc.sent, err, tc.want)
		}
	}
	late := statusOf(context.DeadlineExceeded) // the service was faster to notice than the client
	wantKind(t, messageRead.failure(late, "a:1", true), push.KindStoreUnavailable)
	wantKind(t, messageChange.failure(late, "a:1", true), push.KindOutcomeUnknown)
	if !atFault(messageRead.failure(late, "a:1", true)) {
		t.Error("a read that timed out at its node is not tried on another")
	}
	err := messageRead.failure(status.Error(codes.DeadlineExceeded, ""), "a:1", true)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v hides the deadline", err)
	}
}
