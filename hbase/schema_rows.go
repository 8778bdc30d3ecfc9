package hbase

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/tsuna/gohbase/hrpc"
)

// ReadMark reads the copy of the version that nodes read.
func (a *Admin) ReadMark(ctx context.Context, table TableName) (Mark, error) {
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	m, err := readMark(ctx, a.rows, table)
	return m, ofTable(table, err)
}

// WriteMark writes it.
func (a *Admin) WriteMark(ctx context.Context, table TableName, m Mark) error {
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	return ofTable(table, a.putReserved(ctx, table, rowSchema, qualifierSchema, m.encode(), 0))
}

// putReserved writes a cell of a reserved row; life 0 is for good.
func (a *Admin) putReserved(ctx context.Context, table TableName, row, qualifier string, value []byte, life time.Duration) error {
	put, err := newReserved(ctx, table, row, qualifier, value, life)
	if err != nil {
		return err
	}
	_, err = a.rows.Put(put)
	return err
}

func newReserved(ctx context.Context, table TableName, row, qualifier string, value []byte, life time.Duration) (*hrpc.Mutate, error) {
	options := []func(hrpc.Call) error{hrpc.Durability(hrpc.FsyncWal)}
	if life > 0 {
		options = append(options, hrpc.TTL(life))
	}
	return hrpc.NewPutStr(ctx, table.String(), row, map[string]map[string][]byte{SchemaFamily: {qualifier: value}}, options...)
}

func ofTable(table TableName, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return unavailable(fmt.Errorf("the table %s does not answer", table))
	}
	return fmt.Errorf("hbase: table %s: %w", table, remote(err))
}

// Empty reports whether the table holds nothing but reserved rows.
func (a *Admin) Empty(ctx context.Context, table TableName) (bool, error) {
	for _, r := range [][2]string{{"", firstReserved}, {afterReserved, ""}} {
		empty, err := a.emptyRange(ctx, table, r[0], r[1])
		if err != nil || !empty {
			return false, ofTable(table, err)
		}
	}
	return true, nil
}

func (a *Admin) emptyRange(ctx context.Context, table TableName, from, to string) (bool, error) {
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	scan, err := hrpc.NewScanRangeStr(ctx, table.String(), from, to, hrpc.NumberOfRows(1))
	if err != nil {
		return false, err
	}
	scanner := a.rows.Scan(scan)
	_, err = scanner.Next()
	if errors.Is(err, io.EOF) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	return false, scanner.Close()
}

// Probe is what a write that was read back showed.
type Probe struct {
	Took   time.Duration // of the write, synced
	Server time.Time     // the region server's clock as it took the write
	Sent   time.Time     // ours, before and after
	Back   time.Time
}

// Skew is how far the region server's clock is ahead of ours; it is exact to the
// time that the write took.
func (p Probe) Skew() time.Duration {
	switch {
	case p.Server.Before(p.Sent.Truncate(time.Millisecond)):
		return p.Server.Sub(p.Sent)
	case p.Server.After(p.Back):
		return p.Server.Sub(p.Back)
	default:
		return 0
	}
}

// probeLife is how long the row of a probe stays.
const probeLife = time.Minute

// ProbeWrite writes a reserved row, synced to disk, and reads it back.
func (a *Admin) ProbeWrite(ctx context.Context, table TableName) (Probe, error) {
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	// The client's first call also finds the region and connects.
	if _, err := readReserved(ctx, a.rows, table, rowProbe, qualifierSchema); err != nil {
		return Probe{}, ofTable(table, err)
	}
	p := Probe{Sent: time.Now()}
	if err := a.putReserved(ctx, table, rowProbe, qualifierSchema, []byte("probe"), probeLife); err != nil {
		return Probe{}, ofTable(table, err)
	}
	p.Back = time.Now()
	p.Took = p.Back.Sub(p.Sent)
	get, err := hrpc.NewGetStr(ctx, table.String(), rowProbe, hrpc.Families(map[string][]string{SchemaFamily: {qualifierSchema}}))
	if err != nil {
		return Probe{}, err
	}
	result, err := a.rows.Get(get)
	if err != nil {
		return Probe{}, ofTable(table, err)
	}
	if len(result.Cells) == 0 {
		return Probe{}, fmt.Errorf("hbase: table %s: what was just written cannot be read back; is the clock of a region server wrong?", table)
	}
	p.Server = time.UnixMilli(int64(*result.Cells[0].Timestamp))
	return p, nil
}
