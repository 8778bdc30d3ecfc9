package hbase

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/tsuna/gohbase/hrpc"
	"github.com/tsuna/gohbase/pb"
	"github.com/tsuna/gohbase/region"
	"github.com/tsuna/gohbase/zk"
	"google.golang.org/protobuf/proto"

	"gopush/message"
	"gopush/message/storetest"
)

// realZooKeeper is where a real HBase is to be found, or nothing.
func realZooKeeper() string { return os.Getenv("GOPUSH_HBASE_ZOOKEEPER") }

// askMaster sends one request to HBase's master.
func askMaster(ctx context.Context, call hrpc.Call) (proto.Message, error) {
	addr, err := zk.NewClient(realZooKeeper(), keeperSession).LocateResource(zk.Master.Prepend("/hbase"))
	if err != nil {
		return nil, err
	}
	conn := region.NewClient(addr, region.MasterClient, 1, 0, userOfCalls, readTimeout, nil)
	defer conn.Close()
	if err := conn.Dial(ctx); err != nil {
		return nil, err
	}
	conn.QueueRPC(call)
	select {
	case r := <-call.ResultChan():
		return r.Msg, r.Error
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// procedure waits for what the master has begun.
func procedure(ctx context.Context, msg proto.Message) error {
	begun, ok := msg.(interface{ GetProcId() uint64 })
	if !ok {
		return fmt.Errorf("a %T is no procedure", msg)
	}
	for {
		msg, err := askMaster(ctx, hrpc.NewGetProcedureState(ctx, begun.GetProcId()))
		if err != nil {
			return err
		}
		state, ok := msg.(*pb.GetProcedureResultResponse)
		switch {
		case !ok:
			return fmt.Errorf("the state of a procedure is a %T", msg)
		case state.GetException() != nil:
			return errors.New(state.GetException().GetGenericException().GetMessage())
		case state.GetState() == pb.GetProcedureResultResponse_FINISHED:
			return nil
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// atMaster has the master do something and waits for it.
func atMaster(ctx context.Context, call hrpc.Call) error {
	msg, err := askMaster(ctx, call)
	if err != nil {
		return err
	}
	return procedure(ctx, msg)
}

// realTable makes a table of the test's own.
func realTable(t testing.TB, splits ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	name := fmt.Sprintf("gopush_store_test_%08x", rand.Uint32())
	var keys [][]byte
	for _, s := range splits {
		keys = append(keys, []byte(s))
	}
	create := hrpc.NewCreateTable(ctx, []byte(name), map[string]map[string]string{family: {"VERSIONS": "1", "BLOCKSIZE": "32768"}}, hrpc.SplitKeys(keys))
	if err := atMaster(ctx, create); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		err := atMaster(ctx, hrpc.NewDisableTable(ctx, []byte(name)))
		if err == nil {
			err = atMaster(ctx, hrpc.NewDeleteTable(ctx, []byte(name)))
		}
		if err != nil {
			t.Error(err)
		}
	})
	return name
}

func openReal(t testing.TB, table string, now func() time.Time) *Store {
	t.Helper()
	s, err := Open(Config{ZooKeeper: realZooKeeper(), Table: table}, quiet, now, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestRealStore(t *testing.T) {
	if realZooKeeper() == "" {
		return
	}
	table := realTable(t, "t4", "t8", "tc")
	storetest.Run(t, func(t *testing.T, clock *storetest.Clock) message.Store {
		return openReal(t, table, clock.Now)
	})
}
