package hbase

import (
	"errors"
	"strings"
)

// JavaError is what HBase refused a request with.
type JavaError struct {
	Class   string // of Java, with its package
	Message string // the first line of it
}

func (e *JavaError) Error() string {
	name := e.Class[strings.LastIndexByte(e.Class, '.')+1:]
	if e.Message == "" {
		return name
	}
	return name + ": " + e.Message
}

// The exceptions that mean something here.
const (
	classTableExists       = "org.apache.hadoop.hbase.TableExistsException"
	classTableNotFound     = "org.apache.hadoop.hbase.TableNotFoundException"
	classTableNotEnabled   = "org.apache.hadoop.hbase.TableNotEnabledException"
	classNamespaceExists   = "org.apache.hadoop.hbase.NamespaceExistException"
	classNamespaceNotFound = "org.apache.hadoop.hbase.NamespaceNotFoundException"
	classSnapshotExists    = "org.apache.hadoop.hbase.snapshot.SnapshotExistsException"
	classSnapshotNotFound  = "org.apache.hadoop.hbase.snapshot.SnapshotDoesNotExistException"
	classConstraint        = "org.apache.hadoop.hbase.constraint.ConstraintException"
)

// refused reports whether err is that exception of HBase.
func refused(err error, class string) bool {
	e, ok := errors.AsType[*JavaError](err)
	return ok && e.Class == class
}

// exceptionPrefix is how gohbase begins the text of one; its class and the whole
// stack trace follow, and there is no type to ask.
const exceptionPrefix = "HBase Java exception "

// remote finds the exception in an error of gohbase.
func remote(err error) error {
	_, text, ok := strings.Cut(err.Error(), exceptionPrefix)
	if !ok {
		return err
	}
	class, stack, _ := strings.Cut(text, ":\n")
	return exception(class, stack)
}

// exception keeps the first line of a stack trace, without the class.
func exception(class, stack string) *JavaError {
	line, _, _ := strings.Cut(stack, "\n")
	line = strings.TrimPrefix(strings.TrimPrefix(line, class), ":")
	return &JavaError{Class: class, Message: strings.TrimSpace(line)}
}
