package hbasetest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/tsuna/gohbase/hrpc"
	"github.com/tsuna/gohbase/pb"
	"github.com/tsuna/gohbase/region"
	"google.golang.org/protobuf/proto"
)

// callTimeout bounds one question to ZooKeeper or to the master.
const callTimeout = 5 * time.Second

// clusterStatus asks the master that ZooKeeper names. It answers only once it
// has been initialised.
func (s *Stack) clusterStatus(ctx context.Context) (*pb.ClusterStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	var master pb.Master
	if err := s.readNode(ctx, "/hbase/master", &master); err != nil {
		return nil, err
	}
	call := hrpc.NewClusterStatus()
	msg, err := send(ctx, address(master.GetMaster()), region.MasterClient, call)
	if err != nil {
		return nil, fmt.Errorf("ask the master for its status: %w", err)
	}
	answer, ok := msg.(*pb.GetClusterStatusResponse)
	if !ok {
		return nil, fmt.Errorf("the master's status is a %T", msg)
	}
	return answer.GetClusterStatus(), nil
}

func address(server *pb.ServerName) string {
	return net.JoinHostPort(server.GetHostName(), fmt.Sprint(server.GetPort()))
}

// send makes one call on a connection of its own.
func send(ctx context.Context, addr string, kind region.ClientType, call hrpc.Call) (proto.Message, error) {
	client := region.NewClient(addr, kind, 1, 0, "gopush", callTimeout, nil)
	defer client.Close()
	if err := client.Dial(ctx); err != nil {
		return nil, err
	}
	client.QueueRPC(call)
	select {
	case result := <-call.ResultChan():
		return result.Msg, result.Error
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// readNode reads what HBase keeps in a node of ZooKeeper.
func (s *Stack) readNode(ctx context.Context, path string, into proto.Message) error {
	conn, _, err := zk.Connect([]string{s.ZooKeeper()}, callTimeout, zk.WithLogger(silent{}))
	if err != nil {
		return fmt.Errorf("connect to ZooKeeper: %w", err)
	}
	// The call waits for a connection, for ever if need be; only this ends it.
	stop := context.AfterFunc(ctx, conn.Close)
	data, _, err := conn.Get(path)
	if stop() {
		conn.Close()
	}
	if err != nil {
		return fmt.Errorf("read %s from ZooKeeper: %w", path, err)
	}
	if err := unwrap(data, into); err != nil {
		return fmt.Errorf("%s in ZooKeeper: %w", path, err)
	}
	return nil
}

// unwrap reads a message behind HBase's header: a byte ff, the length of who wrote it
// in four bytes, who wrote it, and "PBUF".
func unwrap(data []byte, into proto.Message) error {
	const head = 5
	if len(data) < head || data[0] != 0xff {
		return errors.New("it has no header")
	}
	start := head + uint64(binary.BigEndian.Uint32(data[1:]))
	if uint64(len(data)) < start+4 || string(data[start:start+4]) != "PBUF" {
		return errors.New("its header is damaged")
	}
	return proto.Unmarshal(data[start+4:], into)
}

// silent is a logger of the ZooKeeper library that says nothing: every failure
// comes back as an error too.
type silent struct{}

func (silent) Printf(string, ...any) {}
