package hbase

import (
	"context"
	"errors"
	"fmt"
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
	return ofTable(table, a.rows.put(ctx, table.String(), rowSchema, m.encode(), 0))
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
	empty := true
	err := a.rows.scan(ctx, table.String(), []byte(from), []byte(to), map[string][]string{SchemaFamily: nil}, func(*hrpc.Result) bool {
		empty = false
		return false
	})
	return empty, err
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
	if _, err := readReserved(ctx, a.rows, table, rowProbe); err != nil {
		return Probe{}, ofTable(table, err)
	}
	p := Probe{Sent: time.Now()}
	if err := a.rows.put(ctx, table.String(), rowProbe, []byte("probe"), probeLife); err != nil {
		return Probe{}, ofTable(table, err)
	}
	p.Back = time.Now()
	p.Took = p.Back.Sub(p.Sent)
	c, err := a.rows.cell(ctx, table.String(), rowProbe, SchemaFamily, qualifierSchema)
	if err != nil {
		return Probe{}, ofTable(table, err)
	}
	if c == nil {
		return Probe{}, fmt.Errorf("hbase: table %s: what was just written cannot be read back; is the clock of a region server wrong?", table)
	}
	p.Server = c.stamp
	return p, nil
}
