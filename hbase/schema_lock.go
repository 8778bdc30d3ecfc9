package hbase

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// A lock is a cell of a reserved row that names its holder and lives for a short
// while unless it is renewed. HBase alone decides, by its own clock, whether it
// still lives; so a holder that was killed blocks others for one lease at most,
// and clocks need not agree.

// leaseOf is the time of a lock's lease. Tests shorten it.
type leaseOf struct {
	life  time.Duration // of the cell
	renew time.Duration // how often
	lost  time.Duration // without a renewal for so long, the lock counts as lost
	poll  time.Duration // how often one who waits looks
}

var lockLease = leaseOf{life: 30 * time.Second, renew: 8 * time.Second, lost: 20 * time.Second, poll: 500 * time.Millisecond}

// errLockLost ends the context of one that could not renew its lock.
var errLockLost = errors.New("hbase: the lock on the table's schema was lost, so another migration may run; run this one again")

// schemaLock is held on the schema of a table.
type schemaLock struct {
	admin *Admin
	table TableName
	value []byte
	lease leaseOf

	cancel context.CancelCauseFunc
	keeper sync.WaitGroup
}

// LockSchema takes the lock on a table's schema; while another holds it, it
// waits and tells waiting who that is. The context it returns ends when the lock
// is lost. The caller must release it; if that fails, it ends by itself.
func (a *Admin) LockSchema(ctx context.Context, table TableName, waiting func(holder string)) (held context.Context, release func(context.Context) error, err error) {
	held, l, err := a.lockSchema(ctx, table, lockLease, waiting)
	if err != nil {
		return nil, nil, err
	}
	return held, l.release, nil
}

func (a *Admin) lockSchema(ctx context.Context, table TableName, lease leaseOf, waiting func(holder string)) (context.Context, *schemaLock, error) {
	l := &schemaLock{admin: a, table: table, lease: lease, value: []byte(holderName() + lockSeparator + rand.Text())}
	for {
		taken, err := l.put(ctx, nil, l.value, lease.life)
		if err != nil {
			return nil, nil, ofTable(table, err)
		}
		if !taken {
			taken, err = l.wait(ctx, waiting)
		}
		if err != nil {
			return nil, nil, err
		}
		if taken {
			break
		}
	}
	ctx, l.cancel = context.WithCancelCause(ctx)
	l.keeper.Go(func() { l.keep(ctx) })
	return ctx, l, nil
}

const lockSeparator = " #"

// holderName is for people.
func holderName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "a machine without a name"
	}
	return fmt.Sprintf("process %d on %s", os.Getpid(), host)
}

// put writes the lock's cell if it holds what is expected. Nothing at all and an
// empty value are the same to HBase, and mean that nobody holds the lock.
func (l *schemaLock) put(ctx context.Context, expected, value []byte, life time.Duration) (bool, error) {
	ctx, cancel := l.admin.bounded(ctx)
	defer cancel()
	return l.admin.rows.swap(ctx, l.table.String(), rowLock, expected, value, life)
}

// wait is one round of waiting for another holder. It may find that the lock is
// ours: the client repeats a write whose answer got lost, and then sees itself.
func (l *schemaLock) wait(ctx context.Context, waiting func(string)) (ours bool, err error) {
	value, err := l.admin.lockValue(ctx, l.table)
	if err != nil || bytes.Equal(value, l.value) {
		return err == nil, err
	}
	holder := holderIn(value)
	if waiting != nil && holder != "" {
		waiting(holder)
	}
	timer := time.NewTimer(l.lease.poll)
	defer timer.Stop()
	select {
	case <-timer.C:
		return false, nil
	case <-ctx.Done():
		return false, fmt.Errorf("hbase: another migration (%s) holds the table %s: %w", holder, l.table, context.Cause(ctx))
	}
}

// LockHolder says who holds the lock on a table's schema; "" for nobody.
func (a *Admin) LockHolder(ctx context.Context, table TableName) (string, error) {
	value, err := a.lockValue(ctx, table)
	return holderIn(value), err
}

func (a *Admin) lockValue(ctx context.Context, table TableName) ([]byte, error) {
	ctx, cancel := a.bounded(ctx)
	defer cancel()
	value, err := readReserved(ctx, a.rows, table, rowLock)
	return value, ofTable(table, err)
}

func holderIn(value []byte) string {
	holder, _, _ := strings.Cut(string(value), lockSeparator)
	return holder
}

// keep renews the lock until ctx ends, and ends it when that fails for too long.
func (l *schemaLock) keep(ctx context.Context) {
	renewed := time.Now()
	for {
		timer := time.NewTimer(l.lease.renew)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
		sent := time.Now()
		held, err := l.renew(ctx, renewed.Add(l.lease.lost))
		switch {
		case err == nil && held:
			renewed = sent
		case err == nil || time.Since(renewed) >= l.lease.lost:
			l.cancel(errLockLost)
			return
		}
	}
}

// renew makes the lease begin again.
func (l *schemaLock) renew(ctx context.Context, until time.Time) (bool, error) {
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	return l.put(ctx, l.value, l.value, l.lease.life)
}

// release gives the lock back. It may be called again.
func (l *schemaLock) release(ctx context.Context) error {
	l.cancel(nil)
	l.keeper.Wait()
	// The client knows no conditional delete. An empty value that stays is as
	// good; one that ended would show what it was written over, if that lives.
	if _, err := l.put(context.WithoutCancel(ctx), l.value, []byte{}, 0); err != nil {
		return ofTable(l.table, err)
	}
	return nil
}
