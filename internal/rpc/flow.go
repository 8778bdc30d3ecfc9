package rpc

import (
	"context"

	"google.golang.org/grpc"

	"gopush/internal/rpc/pb"
)

// opened waits for the server's header: only a server that reads the stream
// sends one. A frame sent before that might be lost without anybody having
// looked at it, and would still count as perhaps stored.
func opened[S grpc.ClientStream](stream S, err error) (S, error) {
	if err != nil {
		return stream, err
	}
	md, err := stream.Header()
	if err != nil {
		return stream, err
	}
	if md == nil {
		if err := stream.RecvMsg(new(pb.TimeReply)); err != nil {
			return stream, err
		}
		return stream, errRefused
	}
	return stream, nil
}

type saveFlow struct {
	stream grpc.BidiStreamingClient[pb.SaveFrame, pb.SaveAnswers]
}

func (f saveFlow) send(items []*pb.SaveItem) error { return f.stream.Send(&pb.SaveFrame{Items: items}) }
func (f saveFlow) finish() error                   { return f.stream.CloseSend() }

func (f saveFlow) recv() ([]*pb.SaveAnswer, bool, error) {
	a, err := f.stream.Recv()
	return a.GetItems(), a.GetDraining(), err
}

// saveLine is a pipe's line to the Save of the message node at addr.
func saveLine(addr string, conn *grpc.ClientConn) line[*pb.SaveItem, *pb.SaveAnswer] {
	client := pb.NewMessageClient(conn)
	return line[*pb.SaveItem, *pb.SaveAnswer]{
		verb: messageChange, addr: addr,
		open: func(ctx context.Context) (flow[*pb.SaveItem, *pb.SaveAnswer], error) {
			s, err := opened(client.Save(ctx))
			return saveFlow{s}, err
		},
		stamp: func(i *pb.SaveItem, tag uint64, ms uint32) { i.Tag, i.TimeoutMs = tag, ms },
		tagOf: (*pb.SaveAnswer).GetTag,
	}
}

type readFlow struct {
	stream grpc.BidiStreamingClient[pb.ReadFrame, pb.ReadAnswers]
}

func (f readFlow) send(items []*pb.ReadItem) error { return f.stream.Send(&pb.ReadFrame{Items: items}) }
func (f readFlow) finish() error                   { return f.stream.CloseSend() }

func (f readFlow) recv() ([]*pb.ReadAnswer, bool, error) {
	a, err := f.stream.Recv()
	return a.GetItems(), a.GetDraining(), err
}

// readLine is a pipe's line to the Read of the message node at addr.
func readLine(addr string, conn *grpc.ClientConn) line[*pb.ReadItem, *pb.ReadAnswer] {
	client := pb.NewMessageClient(conn)
	return line[*pb.ReadItem, *pb.ReadAnswer]{
		verb: messageRead, addr: addr,
		open: func(ctx context.Context) (flow[*pb.ReadItem, *pb.ReadAnswer], error) {
			s, err := opened(client.Read(ctx))
			return readFlow{s}, err
		},
		stamp: func(i *pb.ReadItem, tag uint64, ms uint32) { i.Tag, i.TimeoutMs = tag, ms },
		tagOf: (*pb.ReadAnswer).GetTag,
	}
}

type pushFlow struct {
	stream grpc.BidiStreamingClient[pb.PushFrame, pb.PushAnswers]
}

func (f pushFlow) send(items []*pb.PushItem) error { return f.stream.Send(&pb.PushFrame{Items: items}) }
func (f pushFlow) finish() error                   { return f.stream.CloseSend() }

func (f pushFlow) recv() ([]*pb.PushAnswer, bool, error) {
	a, err := f.stream.Recv()
	return a.GetItems(), a.GetDraining(), err
}

// pushLine is a pipe's line to the Push of the comet node at addr.
func pushLine(addr string, conn *grpc.ClientConn) line[*pb.PushItem, *pb.PushAnswer] {
	client := pb.NewCometClient(conn)
	return line[*pb.PushItem, *pb.PushAnswer]{
		verb: cometChange, addr: addr,
		open: func(ctx context.Context) (flow[*pb.PushItem, *pb.PushAnswer], error) {
			s, err := opened(client.Push(ctx))
			return pushFlow{s}, err
		},
		stamp: func(i *pb.PushItem, tag uint64, ms uint32) { i.Tag, i.TimeoutMs = tag, ms },
		tagOf: (*pb.PushAnswer).GetTag,
	}
}
