package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"gopush/hbase"
	"gopush/internal/bench"
	"gopush/internal/command"
	"gopush/internal/push"
)

// The exit codes. A script can repeat a command that ended with exitRetry, and
// must not repeat one that ended with exitRefused.
const (
	exitOK      = 0
	exitFailure = 1 // a fault here, or an answer that makes no sense
	exitUsage   = 2 // nobody was asked
	exitRetry   = 3
	exitRefused = 4
	exitBroken  = 5 // only bench: what was acknowledged is lost, doubled or out of order
	exitTooSlow = 6 // only bench: nothing is broken, but the rate was not reached
)

// exitCodes are all that a command ends with, as the help and docs/tools.md have them.
var exitCodes = []struct {
	code    int
	meaning string
}{
	{exitOK, "done"},
	{exitFailure, "failed"},
	{exitUsage, "wrong usage or settings"},
	{exitRetry, "not reachable or to be tried again later"},
	{exitRefused, "refused by the server"},
	{exitBroken, "of bench: a promise was broken"},
	{exitTooSlow, "of bench: the rate was not reached"},
}

// exitHelp is the part of the help that documents them.
func exitHelp() string {
	list := make([]string, len(exitCodes))
	for i, e := range exitCodes {
		list[i] = fmt.Sprintf("%d %s", e.code, e.meaning)
	}
	return "Exit codes: " + strings.Join(list, ", ") + "."
}

// errInterrupted ends a command that runs until Ctrl-C; nothing is wrong.
var errInterrupted = errors.New("interrupted")

// usageError is a fault of the command line or the settings.
type usageError = command.UsageError

// usage makes a usageError; the text says what to write instead.
func usage(format string, args ...any) error { return command.Usage(format, args...) }

// unreachableError says that a server gave no answer.
type unreachableError struct {
	url string
	err error
}

func (e *unreachableError) Error() string {
	return fmt.Sprintf("%s cannot be reached: %s", e.url, e.err)
}
func (e *unreachableError) Unwrap() error { return e.err }

// exitCode maps the outcome of a command. Whether a refusal may pass is the
// server's word, not a guess from the status.
func exitCode(err error) int {
	if err == nil || errors.Is(err, errInterrupted) {
		return exitOK
	}
	if _, ok := errors.AsType[*usageError](err); ok {
		return exitUsage
	}
	if _, ok := errors.AsType[*unreachableError](err); ok {
		return exitRetry
	}
	if p, ok := errors.AsType[*problem](err); ok {
		if p.Retryable {
			return exitRetry
		}
		return exitRefused
	}
	if v, ok := errors.AsType[*verdictError](err); ok {
		if v.verdict == bench.Broken {
			return exitBroken
		}
		return exitTooSlow
	}
	return localCode(err)
}

// localCode is that of a command that asked HBase itself.
func localCode(err error) int {
	if _, ok := errors.AsType[*hbase.SchemaError](err); ok {
		return exitFailure // it names the command to run first
	}
	if _, ok := errors.AsType[*hbase.JavaError](err); ok {
		return exitRefused
	}
	e, ok := errors.AsType[*push.Error](err)
	switch {
	case !ok || e.Kind == push.KindInternal:
		return exitFailure
	case e.Kind.Retryable():
		return exitRetry
	default:
		return exitRefused
	}
}

// report tells what went wrong and what to do, as text or as one line of JSON.
func report(w io.Writer, err error, asJSON bool) {
	p, fromServer := errors.AsType[*problem](err)
	if asJSON {
		// The server's sentence stands alone here: its code has a field.
		line := failure{Error: sentence(err), Exit: exitCode(err), Hint: hint(err)}
		if fromServer {
			line.Error, line.Code, line.RequestID = p.Detail, p.Code, p.RequestID
		}
		line.Retryable = line.Exit == exitRetry
		_ = json.NewEncoder(w).Encode(line) // standard error is all there is
		return
	}
	fmt.Fprintf(w, "gopush: %s\n", sentence(err))
	if h := hint(err); h != "" {
		fmt.Fprintf(w, "  %s\n", h)
	}
}

// sentence leaves out the kind that errors of our own begin with: it is for
// programs.
func sentence(err error) string {
	text := err.Error()
	if e, ok := errors.AsType[*push.Error](err); ok {
		text = strings.Replace(text, e.Error(), strings.TrimPrefix(e.Error(), string(e.Kind)+": "), 1)
	}
	return text
}

// failure is an error as --json shows it.
type failure struct {
	Error     string    `json:"error"`
	Code      push.Kind `json:"code,omitempty"` // the server's, if it answered
	Retryable bool      `json:"retryable"`
	Exit      int       `json:"exit"`
	Hint      string    `json:"hint,omitempty"`
	RequestID string    `json:"request_id,omitempty"`
}

// hint is what the person at the keyboard can do.
func hint(err error) string {
	if p, ok := errors.AsType[*problem](err); ok {
		return p.hint()
	}
	if _, ok := errors.AsType[*unreachableError](err); ok {
		return "Is the server running there? gopush serve starts one and prints its addresses; --web, --admin and --help say how to name another."
	}
	return ""
}

// hint is by code, as the codes are what the protocol keeps stable.
func (p *problem) hint() string {
	if p.closed {
		return p.closeHint()
	}
	switch p.Code {
	case push.KindUnauthenticated:
		return "Give the admin token: GOPUSH_TOKEN, --token-file, or --data with the server's data folder. gopush serve prints where it lies."
	case push.KindForbidden:
		return "The token is valid, but not for this."
	case push.KindConflict:
		if strings.HasPrefix(p.path, "/v2/nodes/") || strings.HasPrefix(p.path, "/v2/tokens") {
			return "" // the server has said what to do
		}
		return "Use another --idempotency-key for another message, or push the same data as before."
	case push.KindTooLarge:
		return "Push less, or raise messages.max_bytes in the settings of the server."
	case push.KindOutcomeUnknown:
		return "The message may or may not be stored. Push it again with the same --idempotency-key; without one it may come twice."
	case push.KindRateLimited, push.KindBusy, push.KindNoNode, push.KindStoreUnavailable, push.KindMoving, push.KindWrongNode:
		if p.retryAfter != "" {
			return "Nothing was done; try again in " + p.retryAfter + " s."
		}
		return "Nothing was done; try again."
	case push.KindInternal:
		return "The log of the server has the cause" + p.trace() + "."
	default:
		return ""
	}
}

// closeHint is for a stream that was ended for good: another try would end like it.
func (p *problem) closeHint() string {
	switch p.Code {
	case push.KindRateLimited:
		return "End one of the key's connections, or raise comet.max_per_key in the settings of the server."
	case push.KindUnauthenticated, push.KindTokenExpired, push.KindTokenRevoked, push.KindForbidden:
		return "Give a client token of the key in the variable GOPUSH_CLIENT_TOKEN, which gopush token mint makes, or use listen --mint."
	default:
		return ""
	}
}

// trace is where to look in the log.
func (p *problem) trace() string {
	if p.RequestID == "" {
		return ""
	}
	return " under the request id " + p.RequestID
}
