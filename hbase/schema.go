package hbase

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"gopush/internal/push"
)

// SchemaVersion is the number of the last step of gopush/migrations that this
// program needs. A table whose schema is older cannot be used.
const SchemaVersion = 1

// SchemaFamily is the one family of the table.
const SchemaFamily = "m"

// The version of a table's schema is kept twice. The attributes of the table are
// the truth: HBase changes them together with the rest of the description, in
// one piece. The cell is a copy that a node can read with an ordinary client; it
// is written after the attributes on the way up, and before them on the way
// down, so that a node never believes more than is true.
const (
	attributeVersion = "gopush.schema"
	attributeOldest  = "gopush.schema.oldest"

	qualifierSchema = "schema"
)

// Reserved rows begin with a byte that neither a user's key does (those have no
// control characters) nor a stream of the roles' own (01).
const (
	rowSchema = "\x03schema"
	rowLock   = "\x03lock"
	rowProbe  = "\x03probe"
	// firstReserved and afterReserved bound them.
	firstReserved = "\x03"
	afterReserved = "\x04"
)

// Mark is the version of a table's schema.
type Mark struct {
	// Version is the number of the last step that was taken; 0: none.
	Version int `json:"version"`
	// Oldest is the lowest SchemaVersion whose programs can still use the table.
	Oldest int `json:"oldest"`
}

func (m Mark) String() string {
	if m.Version == 0 {
		return "none"
	}
	return strconv.Itoa(m.Version)
}

// encode is the cell's value.
func (m Mark) encode() []byte {
	return fmt.Appendf(nil, `{"version":%d,"oldest":%d}`, m.Version, m.Oldest)
}

// decodeMark reads a cell; none at all is the zero Mark.
func decodeMark(b []byte) (Mark, error) {
	var m Mark
	if len(b) == 0 {
		return m, nil
	}
	if err := json.Unmarshal(b, &m); err != nil || m.Version < 1 || m.Oldest < 1 {
		return Mark{}, fmt.Errorf("hbase: the cell %q of the row %q is not a version of a schema: %q", SchemaFamily+":"+qualifierSchema, rowSchema, b)
	}
	return m, nil
}

// MarkOf reads the attributes of a table; the zero Mark means that it has none,
// so that something else made it.
func MarkOf(d *Descriptor) (Mark, error) {
	version, oldest := d.Attribute(attributeVersion), d.Attribute(attributeOldest)
	if version == "" && oldest == "" {
		return Mark{}, nil
	}
	v, errV := strconv.Atoi(version)
	o, errO := strconv.Atoi(oldest)
	if errV != nil || errO != nil || v < 1 || o < 1 {
		return Mark{}, fmt.Errorf("hbase: the table's attributes %s=%q and %s=%q are no version of a schema", attributeVersion, version, attributeOldest, oldest)
	}
	return Mark{v, o}, nil
}

// SetMark puts the version into the attributes.
func SetMark(d *Descriptor, m Mark) {
	d.SetAttribute(attributeVersion, strconv.Itoa(m.Version))
	d.SetAttribute(attributeOldest, strconv.Itoa(m.Oldest))
}

// Target is a table, and how to get to it: what a command line must name.
type Target struct {
	ZooKeeper []string
	Root      string // "" or /hbase: the default, which need not be named
	Table     TableName
}

// Command is the command line that does something to the target, as a person
// can paste it.
func (t Target) Command(words string) string {
	line := "gopush " + words + " --zookeeper " + strings.Join(t.ZooKeeper, ",")
	if t.Root != "" && t.Root != "/hbase" {
		line += " --znode-parent " + t.Root
	}
	if name := t.Table.String(); name != DefaultTable {
		line += " --table " + name
	}
	return line
}

// SchemaError says that a table cannot be used as it is, and what to run. Its
// kind is push.KindStoreUnavailable: once that is done, the same works.
type SchemaError struct {
	Problem string // a sentence without its end
	Remedy  string // one with it
}

func (e *SchemaError) Error() string { return e.Problem + ". " + e.Remedy }

// Unwrap gives the error its kind.
func (e *SchemaError) Unwrap() error { return push.E(push.KindStoreUnavailable, "%s", e.Error()) }

// Fits reports whether this program can use a table of that version; the error
// is a *SchemaError.
func (t Target) Fits(m Mark) error {
	switch {
	case m.Version == 0:
		return &SchemaError{
			fmt.Sprintf("the table %s does not say which schema it has: a migration was interrupted, or something else made it", t.Table),
			"Run: " + t.Command("migrate up"),
		}
	case m.Version < SchemaVersion:
		return &SchemaError{
			fmt.Sprintf("the table %s has schema %d, and this program needs %d", t.Table, m.Version, SchemaVersion),
			"Run: " + t.Command("migrate up"),
		}
	case m.Oldest > SchemaVersion:
		return &SchemaError{
			fmt.Sprintf("the table %s has schema %d, which programs older than schema %d cannot use; this one knows %d", t.Table, m.Version, m.Oldest, SchemaVersion),
			"Install a newer gopush here, or, with the newer one, run: " + t.Command(fmt.Sprintf("migrate down --to %d", SchemaVersion)),
		}
	default:
		return nil
	}
}
