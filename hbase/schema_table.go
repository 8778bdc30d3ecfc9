package hbase

import (
	"fmt"
	"strings"

	"github.com/tsuna/gohbase/pb"
)

// DefaultTable is the table that is used where none is named.
const DefaultTable = "gopush:messages"

// TableName is the name of a table.
type TableName struct {
	Namespace string // "default" for tables that are named without one
	Name      string
}

// defaultNamespace always exists, and is left out when a table of it is named.
const defaultNamespace = "default"

// ParseTableName reads NAMESPACE:NAME, or NAME for a table of the default
// namespace, by HBase's rules.
func ParseTableName(s string) (TableName, error) {
	t := TableName{defaultNamespace, s}
	if namespace, name, ok := strings.Cut(s, ":"); ok {
		t = TableName{namespace, name}
	}
	switch {
	case t.Namespace == "" || strings.ContainsFunc(t.Namespace, func(r rune) bool { return !alphanumeric(r) && r != '_' }):
		return TableName{}, fmt.Errorf("%q is not the name of a table: its namespace must be of the letters a-z and A-Z, digits and '_'", s)
	case t.Namespace == "hbase":
		return TableName{}, fmt.Errorf("%q is not a table for messages: the namespace hbase is HBase's own", s)
	case t.Name == "" || strings.ContainsAny(t.Name[:1], "-.") ||
		strings.ContainsFunc(t.Name, func(r rune) bool { return !alphanumeric(r) && !strings.ContainsRune("_-.", r) }):
		return TableName{}, fmt.Errorf("%q is not the name of a table: behind its namespace it must be of the letters a-z and A-Z, digits, '_', '-' and '.', and begin with neither '-' nor '.'", s)
	}
	return t, nil
}

func alphanumeric(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
}

// String is the name as HBase's clients use it.
func (t TableName) String() string {
	if t.Namespace == defaultNamespace {
		return t.Name
	}
	return t.Namespace + ":" + t.Name
}

func (t TableName) pb() *pb.TableName {
	return &pb.TableName{Namespace: []byte(t.Namespace), Qualifier: []byte(t.Name)}
}
