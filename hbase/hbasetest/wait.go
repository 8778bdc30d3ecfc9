package hbasetest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tsuna/gohbase/pb"
)

// startTimeout bounds a start, on a machine that is busy with other things.
const startTimeout = 5 * time.Minute

// notYetError says what is missing before a cluster serves.
type notYetError string

func (n notYetError) Error() string { return string(n) }

// check returns nil if the cluster serves: the master takes orders, it has
// judged its region servers right, and every region is open on one of them.
func (c cluster) check(ctx context.Context, right func(live []Server) error) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := c.initialised(ctx); err != nil {
		return fmt.Errorf("%w (%w)", notYetError("no master takes orders"), err)
	}
	status, err := c.status(ctx)
	if err != nil {
		return err
	}
	live := servers(status)
	if err := right(live); err != nil {
		return err
	}
	if moving := status.GetRegionsInTransition(); len(moving) > 0 {
		state := moving[0].GetRegionState()
		table := state.GetRegionInfo().GetTableName()
		return notYetError(fmt.Sprintf("%d regions are not open, one of them, of the table %s:%s, is %s",
			len(moving), table.GetNamespace(), table.GetQualifier(), state.GetState()))
	}
	list, err := c.regions(ctx)
	if err != nil {
		return fmt.Errorf("%w (%w)", notYetError(MetaTable+" cannot be read"), err)
	}
	return allOpen(list, live)
}

func servers(status *pb.ClusterStatus) []Server {
	var list []Server
	for _, s := range status.GetLiveServers() {
		list = append(list, serverOf(s.GetServer()))
	}
	return list
}

// allOpen returns an error if a region is not where it can be used. A closed
// one that is not on its way is that of a disabled table.
func allOpen(list []Region, live []Server) error {
	for _, r := range list {
		alive := false
		for _, s := range live {
			alive = alive || s == r.Server
		}
		if r.State != "CLOSED" && (r.State != "OPEN" || !alive) {
			return notYetError(fmt.Sprintf("a region of %s is %s on %s", r.Table, r.State, r.Server))
		}
	}
	return nil
}

// wait calls check until it finds that the cluster serves. With each new
// finding it calls say. alive ends the wait with its error.
func wait(ctx context.Context, check func(context.Context) error, say func(string), alive func() error) error {
	var shown notYetError
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		if now, ok := errors.AsType[notYetError](err); ok && now != shown {
			say(string(now))
			shown = now
		}
		if dead := alive(); dead != nil {
			return errors.Join(dead, err)
		}
		if over := pause(ctx, pollEvery); over != nil {
			return fmt.Errorf("HBase does not serve: %w: %w", over, err)
		}
	}
}
