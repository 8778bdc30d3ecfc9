package hbasetest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/go-zookeeper/zk"
	"github.com/tsuna/gohbase/hrpc"
	"github.com/tsuna/gohbase/pb"
	"github.com/tsuna/gohbase/region"
	"google.golang.org/protobuf/proto"
)

// callTimeout bounds one question to a cluster.
const callTimeout = 5 * time.Second

// cluster is asked through ZooKeeper at this address. Each question makes
// connections of its own and leaves nothing behind: processes come and go here,
// and a client that remembers them is what is under test elsewhere.
type cluster string

// master makes a call to the master that ZooKeeper names.
func (c cluster) master(ctx context.Context, call hrpc.Call) (proto.Message, error) {
	var master pb.Master
	if err := c.node(ctx, "/hbase/master", &master); err != nil {
		return nil, err
	}
	return send(ctx, address(master.GetMaster()), region.MasterClient, call)
}

// initialised returns an error as long as the master does not take orders. It
// tells its status and the names of tables earlier; a list of snapshots is the
// least that it refuses until then.
func (c cluster) initialised(ctx context.Context) error {
	_, err := c.master(ctx, hrpc.NewListSnapshots(ctx))
	return err
}

// status is what the master knows of its servers.
func (c cluster) status(ctx context.Context) (*pb.ClusterStatus, error) {
	msg, err := c.master(ctx, hrpc.NewClusterStatus())
	if err != nil {
		return nil, err
	}
	answer, ok := msg.(*pb.GetClusterStatusResponse)
	if !ok {
		return nil, fmt.Errorf("the master answers with a %T", msg)
	}
	return answer.GetClusterStatus(), nil
}

func address(server *pb.ServerName) string {
	return net.JoinHostPort(server.GetHostName(), strconv.FormatUint(uint64(server.GetPort()), 10))
}

// send makes one call on a connection of its own.
func send(ctx context.Context, addr string, kind region.ClientType, call hrpc.Call) (proto.Message, error) {
	if err := listening(ctx, addr); err != nil {
		return nil, err
	}
	client := region.NewClient(addr, kind, 1, 0, "gopush", callTimeout, nil)
	defer client.Close()
	if err := client.Dial(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", addr, err)
	}
	client.QueueRPC(call)
	select {
	case result := <-call.ResultChan():
		if result.Error != nil {
			return nil, fmt.Errorf("%s of %s: %w", call.Name(), addr, result.Error)
		}
		return result.Msg, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%s of %s: %w", call.Name(), addr, context.Cause(ctx))
	}
}

// listening returns an error if nobody listens there. The client would say so
// too, and in a log besides.
func listening(ctx context.Context, addr string) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return conn.Close()
}

// node reads what HBase keeps in a node of ZooKeeper.
func (c cluster) node(ctx context.Context, path string, into proto.Message) error {
	conn, _, err := zk.Connect([]string{string(c)}, callTimeout, zk.WithLogger(silent{}))
	if err != nil {
		return fmt.Errorf("connect to ZooKeeper: %w", err)
	}
	// Get waits for a connection, for ever if need be; only Close ends that.
	stop := context.AfterFunc(ctx, conn.Close)
	data, _, err := conn.Get(path)
	if stop() {
		conn.Close()
	}
	if err != nil {
		return fmt.Errorf("%s in ZooKeeper: %w", path, err)
	}
	if err := unwrap(data, into); err != nil {
		return fmt.Errorf("%s in ZooKeeper: %w", path, err)
	}
	return nil
}

const magic = "PBUF"

// unwrap reads a message behind HBase's header: a byte ff, the length of the writer's
// name in four bytes, that name, and the magic.
func unwrap(data []byte, into proto.Message) error {
	const head = 5
	if len(data) < head || data[0] != 0xff {
		return errors.New("it has no header")
	}
	start := head + uint64(binary.BigEndian.Uint32(data[1:]))
	body := start + uint64(len(magic))
	if uint64(len(data)) < body || string(data[start:body]) != magic {
		return errors.New("its header is damaged")
	}
	return proto.Unmarshal(data[body:], into)
}

// silent is a logger of the ZooKeeper library that says nothing: every failure
// comes back as an error too.
type silent struct{}

func (silent) Printf(string, ...any) {}
