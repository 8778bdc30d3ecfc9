package hbase

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tsuna/gohbase"
	"github.com/tsuna/gohbase/region"

	"gopush/internal/push"
)

// reaction is what to do about the error of one try.
type reaction uint8

const (
	// giveUp: the call's time is over.
	giveUp reaction = iota + 1
	// refuse: HBase will not do it, however often it is asked.
	refuse
	// again: the same server may do it a little later.
	again
	// lookUp: the region is not where it was believed to be.
	lookUp
	// reconnect: the connection is of no use any more.
	reconnect
)

// react classes the error of one try.
func react(err error) reaction {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return giveUp
	}
	if errors.Is(err, gohbase.TableNotFound) || refusals[javaClass(err)] {
		return refuse
	}
	if _, ok := errors.AsType[region.NotServingRegionError](err); ok {
		return lookUp
	}
	if _, ok := errors.AsType[region.ServerError](err); ok {
		return reconnect
	}
	if errors.Is(err, errLost) || errors.Is(err, errGone) {
		return reconnect
	}
	return again
}

// doubtful reports whether a call that was sent may have been carried out all
// the same, or may be yet.
func doubtful(err error) bool {
	if _, ok := errors.AsType[region.NotServingRegionError](err); ok {
		return false
	}
	class := javaClass(err)
	return !refusals[class] && !postponed[class]
}

const classNoFamily = "NoSuchColumnFamilyException"

// refusals are the Java exceptions by which a region server says no for good.
var refusals = map[string]bool{
	classNoFamily: true, "AccessDeniedException": true, "DoNotRetryIOException": true,
	"FailedSanityCheckException": true, "TableNotFoundException": true, "InvalidFamilyOperationException": true,
}

// postponed are those by which it says that it has not even begun.
var postponed = map[string]bool{
	"CallQueueTooBigException": true, "RegionOpeningException": true, "ServerNotRunningYetException": true,
	"RpcThrottlingException": true, "RegionTooBusyException": true, "RetryImmediatelyException": true,
}

// javaClass is the name of the Java exception in err, without its package; ""
// when there is none. gohbase has no type for it, only this text.
func javaClass(err error) string {
	_, rest, ok := strings.Cut(err.Error(), "HBase Java exception ")
	if !ok {
		return ""
	}
	class, _, _ := strings.Cut(rest, ":")
	return class[strings.LastIndexByte(class, '.')+1:]
}

// failure is the end of a call that did not succeed.
type failure struct {
	err error
	// maybe says that it may have been carried out, or may be yet.
	maybe bool
	table string
}

func (f *failure) Error() string { return f.err.Error() }

func (f *failure) Unwrap() error { return f.err }

// outcome is the label by which metrics count an error.
func outcome(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, gohbase.TableNotFound):
		return "no_table"
	case react(err) == refuse:
		return "refused"
	case errors.Is(err, context.Canceled):
		return "cancelled"
	default:
		return "timeout"
	}
}

// notRead is the error of a read.
func notRead(err error) error {
	if e, ok := known(err); ok {
		return e
	}
	return push.Wrap(push.KindStoreUnavailable, err, "HBase could not be read; try again")
}

// notWritten is the error of a write: it says whether the write may be there.
func notWritten(err error) error {
	if e, ok := known(err); ok {
		return e
	}
	if f, ok := errors.AsType[*failure](err); ok && f.maybe {
		return push.Wrap(push.KindOutcomeUnknown, err, "HBase did not say in time whether it took the write; it may or may not be there")
	}
	return push.Wrap(push.KindStoreUnavailable, err, "HBase could not be written to; nothing was stored, try again")
}

// known explains the errors that somebody has to do something about.
func known(err error) (*push.Error, bool) {
	f, _ := errors.AsType[*failure](err)
	switch {
	case f == nil || f.maybe:
		return nil, false
	case errors.Is(err, gohbase.TableNotFound):
		return push.Wrap(push.KindStoreUnavailable, err, "HBase has no table %s; run: gopush migrate up", f.table), true
	case javaClass(err) == classNoFamily:
		return push.Wrap(push.KindStoreUnavailable, err, "the table %s of HBase was not made by gopush; name another, or run: gopush migrate up", f.table), true
	case react(err) == refuse:
		return push.Wrap(push.KindStoreUnavailable, err, "HBase refuses (%s); its log says why", javaClass(err)), true
	default:
		return nil, false
	}
}

// corrupt is a cell that cannot be what this program wrote.
func corrupt(err error) error {
	return push.Wrap(push.KindStoreUnavailable, fmt.Errorf("hbase: %w", err), "a row in HBase cannot be read; was it written by a newer version?")
}
