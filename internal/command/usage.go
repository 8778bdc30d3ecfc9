package command

import (
	"errors"
	"fmt"
)

// UsageError is a fault of the command line or the settings. Nobody was asked yet.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

// Usage makes a UsageError; the text says what to write instead.
func Usage(format string, args ...any) error { return &UsageError{fmt.Errorf(format, args...)} }

// The exit codes of a process that serves.
const (
	exitOK = iota
	exitFailure
	exitUsage
)

func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	if _, ok := errors.AsType[*UsageError](err); ok {
		return exitUsage
	}
	return exitFailure
}
