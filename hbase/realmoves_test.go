package hbase

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tsuna/gohbase/hrpc"
	"github.com/tsuna/gohbase/pb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"gopush/internal/push"
)

// splitCall asks the master to split a region; gohbase has no call for that.
type splitCall struct {
	hrpc.Call // any other call to the master

	request *emptypb.Empty
}

func (s *splitCall) Name() string               { return "SplitRegion" }
func (s *splitCall) Description() string        { return "SplitRegion" }
func (s *splitCall) ToProto() proto.Message     { return s.request }
func (s *splitCall) NewResponse() proto.Message { return new(emptypb.Empty) }

func newSplit(ctx context.Context, info hrpc.RegionInfo, row []byte) (*splitCall, error) {
	id := info.ID()
	b, err := proto.Marshal(&pb.RegionInfo{
		RegionId: &id, StartKey: info.StartKey(), EndKey: info.StopKey(),
		TableName: &pb.TableName{Namespace: []byte("default"), Qualifier: info.Table()},
	})
	if err != nil {
		return nil, err
	}
	other, err := hrpc.NewMoveRegion(ctx, nil)
	if err != nil {
		return nil, err
	}
	s := &splitCall{Call: other, request: new(emptypb.Empty)}
	fields := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), b)
	s.request.ProtoReflect().SetUnknown(protowire.AppendBytes(protowire.AppendTag(fields, 2, protowire.BytesType), row))
	return s, nil
}

// shake splits or moves the region of a row.
func shake(ctx context.Context, s *Store, row []byte) error {
	at, err := s.router.lookUp(ctx, s.table, row)
	if err != nil {
		return err
	}
	var call hrpc.Call
	if rand.N(3) == 0 {
		call, err = newSplit(ctx, at.region, row)
	} else {
		parts := bytes.Split(bytes.TrimSuffix(at.region.Name(), []byte(".")), []byte("."))
		call, err = hrpc.NewMoveRegion(ctx, parts[len(parts)-1])
	}
	if err != nil {
		return err
	}
	_, err = askMaster(ctx, call)
	return err
}

// follower reads a key from its beginning, small pages, until it has as many
// messages.
func follower(ctx context.Context, s *Store, key push.Key, want int) ([]push.ID, error) {
	var got []push.ID
	var after push.ID
	for len(got) < want && ctx.Err() == nil {
		page, err := s.Read(ctx, key, push.Span{After: after, Limit: 7})
		if err != nil {
			return got, err
		}
		if len(page.Gaps) > 0 {
			return got, fmt.Errorf("a follower is told of the gap %+v", page.Gaps[0])
		}
		for _, m := range page.Messages {
			if m.Prev != after {
				return got, fmt.Errorf("message %d follows %d, and came after %d", m.ID, m.Prev, after)
			}
			got, after = append(got, m.ID), m.ID
		}
	}
	return got, ctx.Err()
}

// While regions split and move, writers and readers notice nothing but time.
func TestRealRegionsMove(t *testing.T) {
	if realZooKeeper() == "" {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	const keys, each, shakes = 6, 150, 25
	s := openReal(t, realTable(t), time.Now)
	var wg sync.WaitGroup
	wrote := make([][]push.ID, keys)
	for k := range keys {
		key := push.Key(fmt.Sprint("key ", k))
		wg.Go(func() {
			var prev push.ID
			for range each {
				id := max(push.IDAt(time.Now()), prev+push.Step)
				m := push.Message{ID: id, Prev: prev, Body: []byte("1"), ExpiresAt: time.Now().Add(time.Hour).UnixMilli(), IdempotencyKey: id.String()}
				burst := []push.Message{m}
				if rand.N(4) == 0 {
					m.ID, m.Prev = id+push.Step, id
					burst = append(burst, m)
				}
				if err := s.Save(ctx, []push.Write{{Key: key, Prev: prev, Messages: burst}})[0]; err != nil {
					t.Error(err)
					return
				}
				for i := range burst {
					wrote[k] = append(wrote[k], burst[i].ID)
				}
				prev = m.ID
			}
		})
		wg.Go(func() {
			if _, err := follower(ctx, s, key, each); err != nil {
				t.Error(err)
			}
		})
	}
	done := make(chan struct{})
	go func() { defer close(done); wg.Wait() }()
	refused := 0
	for range shakes {
		key := push.Key(fmt.Sprint("key ", rand.N(keys)))
		newest, err := s.Newest(ctx, key)
		if err == nil {
			err = shake(ctx, s, messageRow(key, newest))
		}
		if err != nil {
			refused++ // the region is being changed already
		}
		if err := pause(ctx, 200*time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	<-done
	if refused == shakes {
		t.Error("no region was ever changed")
	}
	for k := range keys {
		got, err := follower(ctx, s, push.Key(fmt.Sprint("key ", k)), len(wrote[k]))
		if err != nil || !slices.Equal(got, wrote[k]) {
			t.Errorf("key %d: %d messages were read instead of %d, or others, %v", k, len(got), len(wrote[k]), err)
		}
	}
	s.router.tables.mu.RLock()
	defer s.router.tables.mu.RUnlock()
	t.Logf("%d of %d changes were refused; there are %d regions", refused, shakes, len(s.router.tables.all))
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		t.Error("it took too long")
	}
}
