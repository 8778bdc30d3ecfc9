package hbasetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tsuna/gohbase/hrpc"
	"github.com/tsuna/gohbase/pb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
)

// changeTimeout bounds a change of a region.
const changeTimeout = 2 * time.Minute

// moveAgain is when an order to move a region is given once more: a master that knows of no
// other region server drops it, and says so in its log alone.
const moveAgain = 3 * time.Second

// Move has HBase take the region of a row to another region server, whichever it
// chooses, and returns when it is open there.
func (s *Stack) Move(ctx context.Context, table string, row []byte) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	var from Server // of the first order
	var given time.Time
	return wait(ctx, func(ctx context.Context) error {
		list, err := s.Regions(ctx)
		if err != nil {
			return err
		}
		r, err := find(list, table, row)
		switch {
		case err != nil:
			return err
		case r.State != "OPEN":
		case !given.IsZero() && r.Server != from:
			return nil
		case time.Since(given) > moveAgain:
			if err := s.orderMove(ctx, r); err != nil {
				return err
			}
			from, given = r.Server, time.Now()
		}
		return notYetError(fmt.Sprintf("the move of the region of %q in %s is not done", row, table))
	}, func(string) {}, func() error { return nil })
}

func (s *Stack) orderMove(ctx context.Context, r *Region) error {
	call, err := hrpc.NewMoveRegion(ctx, []byte(r.encoded()))
	if err == nil {
		_, err = s.cluster().master(ctx, call)
	}
	return err
}

// bounded gives a change its time.
func bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, changeTimeout, errors.New("no change of a region takes that long; the log of the master says what became of it"))
}

// Split cuts the region of a row in two, the second of which begins with the row, and
// returns when both are open.
func (s *Stack) Split(ctx context.Context, table string, row []byte) error {
	return s.change(ctx, table, row, func(_ []Region, r *Region) (hrpc.Call, func([]Region) bool, error) {
		info, err := proto.Marshal(r.info)
		if err != nil {
			return nil, nil, err
		}
		fields := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), info)
		fields = protowire.AppendBytes(protowire.AppendTag(fields, 2, protowire.BytesType), row)
		call, err := newOrder(ctx, "SplitRegion", fields)
		return call, func(now []Region) bool {
			r, err := find(now, table, row)
			return err == nil && r.State == "OPEN" && string(r.Start) == string(row)
		}, err
	})
}

// Merge makes one region of that of a row and the one before it, and returns when it is
// open.
func (s *Stack) Merge(ctx context.Context, table string, row []byte) error {
	return s.change(ctx, table, row, func(list []Region, r *Region) (hrpc.Call, func([]Region) bool, error) {
		var before *Region
		for i := range list {
			if list[i].Table == table && string(list[i].End) == string(r.Start) {
				before = &list[i]
			}
		}
		if before == nil {
			return nil, nil, errors.New("the region is the first of its table")
		}
		var fields []byte
		for _, one := range []*Region{before, r} {
			spec, err := proto.Marshal(&pb.RegionSpecifier{
				Type: pb.RegionSpecifier_ENCODED_REGION_NAME.Enum(), Value: []byte(one.encoded()),
			})
			if err != nil {
				return nil, nil, err
			}
			fields = protowire.AppendBytes(protowire.AppendTag(fields, 1, protowire.BytesType), spec)
		}
		call, err := newOrder(ctx, "MergeTableRegions", fields)
		return call, func(now []Region) bool {
			r, err := find(now, table, row)
			return err == nil && r.State == "OPEN" && string(r.Start) == string(before.Start)
		}, err
	})
}

// change gives the master an order about the region of a row, and waits until it has
// been carried out.
func (s *Stack) change(ctx context.Context, table string, row []byte, order func([]Region, *Region) (hrpc.Call, func([]Region) bool, error)) error {
	ctx, cancel := bounded(ctx)
	defer cancel()
	list, err := s.Regions(ctx)
	if err != nil {
		return err
	}
	r, err := find(list, table, row)
	if err != nil {
		return err
	}
	call, done, err := order(list, r)
	if err != nil {
		return err
	}
	if _, err := s.cluster().master(ctx, call); err != nil {
		return err
	}
	return wait(ctx, func(ctx context.Context) error {
		now, err := s.Regions(ctx)
		if err == nil && !done(now) {
			err = notYetError(fmt.Sprintf("%s of the region of %q in %s is not done", call.Name(), row, table))
		}
		return err
	}, func(string) {}, func() error { return nil })
}

// encoded is the region's short name, which its full name ends with.
func (r *Region) encoded() string {
	parts := strings.Split(strings.TrimSuffix(r.name, "."), ".")
	return parts[len(parts)-1]
}

// order is a request to the master that the client has no call for: its fields are
// given as bytes.
type order struct {
	hrpc.Call // any other call to the master

	name    string
	request *emptypb.Empty
}

func newOrder(ctx context.Context, name string, fields []byte) (*order, error) {
	other, err := hrpc.NewMoveRegion(ctx, nil)
	if err != nil {
		return nil, err
	}
	o := &order{Call: other, name: name, request: new(emptypb.Empty)}
	o.request.ProtoReflect().SetUnknown(fields)
	return o, nil
}

// Name is the method of the master.
func (o *order) Name() string { return o.name }

// Description is for the client's metrics.
func (o *order) Description() string { return o.name }

// ToProto is the request.
func (o *order) ToProto() proto.Message { return o.request }

// NewResponse is for the answer, of which nothing is read.
func (o *order) NewResponse() proto.Message { return new(emptypb.Empty) }
