package rpc

import (
	"context"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"gopush/internal/push"
	"gopush/internal/rpc/pb"
)

// statusCall is the verb as both services have it.
type statusCall func(context.Context, *pb.StatusRequest, ...grpc.CallOption) (*pb.StatusReply, error)

// statusFrom asks one node, once. A node that is too old to know the call is not at
// fault: its status is the zero value.
func statusFrom(ctx context.Context, r *remote, v verb, call statusCall) (push.NodeStatus, error) {
	a, err := unary(ctx, r, v, func(ctx context.Context, o ...grpc.CallOption) (*pb.StatusReply, error) {
		a, err := call(ctx, &pb.StatusRequest{}, o...)
		if status.Code(err) == codes.Unimplemented {
			return &pb.StatusReply{}, nil
		}
		return a, err
	})
	return push.NodeStatus{
		Version:     clip(strings.ToValidUTF8(string(a.GetVersion()), "\uFFFD")),
		Connections: max(0, a.GetConnections()), InFlight: max(0, a.GetInFlight()),
		Counts: countsFromPB(a.GetCounts()), Counted: a.GetCounts() != nil,
	}, err
}
