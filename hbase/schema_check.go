package hbase

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tsuna/gohbase"
	"github.com/tsuna/gohbase/hrpc"

	"gopush/internal/push"
)

// checkTime bounds a check whose context has no earlier end.
const checkTime = 10 * time.Second

// getter is gohbase's client, or what stands before it.
type getter interface {
	Get(g *hrpc.Get) (*hrpc.Result, error)
}

// CheckSchema reports whether this program can use the target's table. It costs
// two reads of one small row each, through the ordinary client, and never
// changes anything; so it can be asked every few seconds.
//
// A *SchemaError says what is wrong with the table and what to run. Any other
// error means that HBase could not be asked.
func CheckSchema(ctx context.Context, client getter, target Target) error {
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
func stateInMeta(ctx context.Context, client getter, table TableName) (TableState, error) {
	get, err := hrpc.NewGetStr(ctx, "hbase:meta", table.String(), hrpc.Families(map[string][]string{"table": {"state"}}))
	if err != nil {
		return 0, err
	}
	result, err := client.Get(get)
	if err != nil {
		return 0, err
	}
	if len(result.Cells) == 0 {
		return TableMissing, nil
	}
	return stateOf(result.Cells[0].Value), nil
}

// readMark reads the cell; the zero Mark means that there is none.
func readMark(ctx context.Context, client getter, table TableName) (Mark, error) {
	value, err := readReserved(ctx, client, table, rowSchema, qualifierSchema)
	if err != nil {
		return Mark{}, err
	}
	return decodeMark(value)
}

// readReserved reads a cell of a reserved row; nil when there is none.
func readReserved(ctx context.Context, client getter, table TableName, row, qualifier string) ([]byte, error) {
	get, err := hrpc.NewGetStr(ctx, table.String(), row, hrpc.Families(map[string][]string{SchemaFamily: {qualifier}}))
	if err != nil {
		return nil, err
	}
	result, err := client.Get(get)
	if err != nil {
		return nil, remote(err)
	}
	if len(result.Cells) == 0 {
		return nil, nil
	}
	return result.Cells[0].Value, nil
}
