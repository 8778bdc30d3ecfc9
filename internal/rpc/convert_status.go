package rpc

import (
	"math"
	"time"

	"gopush/internal/push"
	"gopush/internal/rpc/pb"
)

func infoToPB(i push.KeyInfo) *pb.DescribeReply {
	return &pb.DescribeReply{
		Group: some(i.Group), Connections: int64(i.Connections), Newest: int64(i.Newest),
		Epoch: i.Epoch, Floor: int64(i.Floor), Behind: int64(i.Behind),
		Before: int64(i.Standing.Before), At: int64(i.Standing.At), Past: int64(i.Standing.Past),
		Cursors: idsToPB(i.Cursors),
	}
}

func infoFromPB(i *pb.DescribeReply) push.KeyInfo {
	return push.KeyInfo{
		Group: string(i.GetGroup()), Connections: int(i.GetConnections()), Newest: push.ID(i.GetNewest()),
		Epoch: i.GetEpoch(), Floor: push.ID(i.GetFloor()), Behind: int(i.GetBehind()),
		Standing: push.Standing{Before: int(i.GetBefore()), At: int(i.GetAt()), Past: int(i.GetPast())},
		Cursors:  idsFromPB(i.GetCursors(), push.MaxCursors),
	}
}

func idsToPB(ids []push.ID) []int64 {
	if len(ids) == 0 {
		return nil
	}
	out := make([]int64, len(ids))
	for i, id := range ids {
		out[i] = int64(id)
	}
	return out
}

// idsFromPB keeps at most limit of them.
func idsFromPB(ids []int64, limit int) []push.ID {
	if len(ids) == 0 {
		return nil
	}
	out := make([]push.ID, min(len(ids), limit))
	for i := range out {
		out[i] = push.ID(ids[i])
	}
	return out
}

func countsToPB(c push.Counts) *pb.Counts {
	return &pb.Counts{
		Pushes: c.Pushes, Deliveries: c.Deliveries, Behind: c.Behind,
		Saves: c.Saves, SavesNs: int64(c.SaveTime), Reads: c.Reads, ReadsNs: int64(c.ReadTime),
	}
}

func countsFromPB(c *pb.Counts) push.Counts {
	return push.Counts{
		Pushes: c.GetPushes(), Deliveries: c.GetDeliveries(), Behind: c.GetBehind(),
		Saves: c.GetSaves(), SaveTime: time.Duration(c.GetSavesNs()), Reads: c.GetReads(), ReadTime: time.Duration(c.GetReadsNs()),
	}
}

func topToPB(keys []push.BusyKey) *pb.TopReply {
	out := &pb.TopReply{Keys: make([]*pb.BusyKey, len(keys))}
	for i, k := range keys {
		out.Keys[i] = &pb.BusyKey{Key: []byte(k.Key), Least: k.Least, Most: k.Most, Connections: int64(k.Connections)}
	}
	return out
}

// topFromPB leaves out what is no key, and rates that are none.
func topFromPB(r *pb.TopReply) []push.BusyKey {
	var keys []push.BusyKey
	for _, k := range r.GetKeys() {
		key, err := keyFromPB(k.GetKey())
		if err == nil && rate(k.GetLeast()) && rate(k.GetMost()) {
			keys = append(keys, push.BusyKey{Key: key, Least: k.GetLeast(), Most: k.GetMost(), Connections: int(max(0, k.GetConnections()))})
		}
	}
	return keys
}

// rate reports whether JSON can hold v and it is not negative.
func rate(v float64) bool { return v >= 0 && !math.IsInf(v, 0) }
