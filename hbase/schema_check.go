package hbase

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tsuna/gohbase"

	"gopush/internal/push"
)

// checkTime bounds a check whose context has no earlier end.
const checkTime = 10 * time.Second

// CheckSchema reports whether this program can use the target's table. It costs
// two reads of one small row each, and never changes anything; so it can be
// asked every few seconds.
//
// A *SchemaError says what is wrong with the table and what to run. Any other
// error means that HBase could not be asked.
func (s *Store) CheckSchema(ctx context.Context, target Target) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	return checkSchema(ctx, s.router, target)
}

// CheckSchema is that of a Store, for a program that has none.
func (a *Admin) CheckSchema(ctx context.Context, target Target) error {
	return checkSchema(ctx, a.rows, target)
}

func checkSchema(ctx context.Context, client reader, target Target) error {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	// The state first: a row of a disabled table is not refused, the client
	// waits for it.
	state, err := stateInMeta(ctx, client, target.Table)
	if err != nil {
		return unanswered(err)
	}
	if err := target.serves(state); err != nil {
		return err
	}
	m, err := readMark(ctx, client, target.Table)
	switch {
	case errors.Is(err, gohbase.TableNotFound):
		return target.serves(TableMissing)
	case refused(err, classNoSuchFamily):
		return target.foreign()
	case err != nil:
		return unanswered(err)
	}
	return target.Fits(m)
}

// Usable is what CheckSchema finds of a table in that state, whose cell tells of
// that version.
func (t Target) Usable(state TableState, cell Mark) error {
	if err := t.serves(state); err != nil {
		return err
	}
	return t.Fits(cell)
}

// serves reports what a state means for a node.
func (t Target) serves(state TableState) error {
	switch state {
	case TableEnabled:
		return nil
	case TableMissing:
		return &SchemaError{fmt.Sprintf("HBase has no table %s", t.Table), "Run: " + t.Command("migrate up")}
	case TableDisabled:
		return &SchemaError{
			fmt.Sprintf("the table %s is disabled in HBase", t.Table),
			"If nobody disabled it on purpose, run: " + t.Command("migrate up --enable"),
		}
	default:
		return &SchemaError{
			fmt.Sprintf("the table %s does not serve: HBase is %s it", t.Table, state),
			"Wait until that has ended; it is tried again by itself.",
		}
	}
}

// foreign is a table that has not the shape of ours at all.
func (t Target) foreign() error {
	return &SchemaError{
		fmt.Sprintf("the table %s was not made by gopush: it has no family %q", t.Table, SchemaFamily),
		"Name another with --table or store.table.",
	}
}

func unanswered(err error) error {
	return push.Wrap(push.KindStoreUnavailable, remote(err), "HBase does not answer whether its table can be used")
}

const classNoSuchFamily = "org.apache.hadoop.hbase.regionserver.NoSuchColumnFamilyException"

// stateInMeta reads a table's state where HBase keeps it.
func stateInMeta(ctx context.Context, client reader, table TableName) (TableState, error) {
	c, err := client.cell(ctx, "hbase:meta", table.String(), "table", "state")
	if err != nil {
		return 0, err
	}
	if c == nil {
		return TableMissing, nil
	}
	return stateOf(c.value), nil
}

// readMark reads the cell; the zero Mark means that there is none.
func readMark(ctx context.Context, client reader, table TableName) (Mark, error) {
	value, err := readReserved(ctx, client, table, rowSchema)
	if err != nil {
		return Mark{}, err
	}
	return decodeMark(value)
}

// readReserved reads the cell of a reserved row; nil when there is none.
func readReserved(ctx context.Context, client reader, table TableName, row string) ([]byte, error) {
	c, err := client.cell(ctx, table.String(), row, SchemaFamily, qualifierSchema)
	if err != nil {
		return nil, remote(err)
	}
	if c == nil {
		return nil, nil
	}
	return c.value, nil
}
