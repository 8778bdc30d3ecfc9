package hbase

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tsuna/gohbase/pb"
	"google.golang.org/protobuf/proto"

	"gopush/internal/push"
)

// Tick is told, while HBase works, for how long it has. It may be nil.
type Tick func(took time.Duration)

const (
	firstPoll = 20 * time.Millisecond
	longPoll  = 500 * time.Millisecond
)

// begin starts a procedure. 0 means that HBase was done at once.
func (a *Admin) begin(ctx context.Context, name string, request, response proto.Message) (uint64, error) {
	msg, err := a.ask(ctx, name, request, response)
	if err != nil {
		return 0, err
	}
	id, _ := procedureOf(msg)
	return id, nil
}

// wait polls until the procedure has ended. If ctx ends before, HBase goes on.
func (a *Admin) wait(ctx context.Context, tick Tick, name string, id uint64) error {
	return poll(ctx, tick, name, id, func() (bool, error) { return a.ended(ctx, name, id) })
}

// poll asks until it is done; id is 0 where there is no procedure.
func poll(ctx context.Context, tick Tick, name string, id uint64, ask func() (done bool, err error)) error {
	start := time.Now()
	for pause := firstPoll; ; pause = min(2*pause, longPoll) {
		done, err := ask()
		if done || err != nil {
			return err
		}
		if tick != nil {
			tick(time.Since(start))
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return &unfinished{name, id, time.Since(start)}
		}
	}
}

// ended asks for a procedure once; the error is its own if it failed.
func (a *Admin) ended(ctx context.Context, name string, id uint64) (bool, error) {
	msg, err := a.ask(ctx, "getProcedureResult", &pb.GetProcedureResultRequest{ProcId: &id}, &pb.GetProcedureResultResponse{})
	if err != nil {
		if ctx.Err() != nil {
			return false, nil //nolint:nilerr // wait says it better
		}
		return false, err
	}
	r, ok := msg.(*pb.GetProcedureResultResponse)
	switch {
	case !ok:
		return false, fmt.Errorf("hbase: %s: the master answers with a %T", name, msg)
	case r.GetState() == pb.GetProcedureResultResponse_RUNNING:
		return false, nil
	case r.GetException() != nil:
		e := r.GetException().GetGenericException()
		return true, fmt.Errorf("hbase: %s: %w", name, exception(e.GetClassName(), e.GetMessage()))
	default:
		// HBase forgets a procedure some time after its end.
		return true, nil
	}
}

// unfinished says that HBase has not ended what was asked of it, and may yet.
type unfinished struct {
	name string
	id   uint64 // 0: it is no procedure
	took time.Duration
}

func (u *unfinished) Error() string {
	name := u.name
	if u.id > 0 {
		name = fmt.Sprintf("%s (procedure %d)", name, u.id)
	}
	return fmt.Sprintf("HBase has not ended %s after %s", name, u.took.Round(100*time.Millisecond))
}

func (u *unfinished) Unwrap() error { return push.E(push.KindOutcomeUnknown, "HBase may still end it") }

// procedure finds the one that was not waited for to its end.
func procedureIn(err error) (uint64, bool) {
	u, ok := errors.AsType[*unfinished](err)
	if !ok || u.id == 0 {
		return 0, false
	}
	return u.id, true
}
