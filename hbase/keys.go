package hbase

import (
	"bytes"
	"context"

	"github.com/tsuna/gohbase/hrpc"

	"gopush/internal/push"
	"gopush/message"
)

// NextKey is the first user's key behind after, in the order of their bytes, that has rows,
// whether or not there is a readable message in them; "" when there is none. "" as after begins.
func (s *Store) NextKey(ctx context.Context, after push.Key) (push.Key, error) {
	if err := s.enter(ctx); err != nil {
		return "", err
	}
	defer s.leave()
	from := message.AppendBehindKey(nil, after)
	options := append(query{keysOnly: true}.options(), hrpc.NumberOfRows(1))
	for {
		resp, region, err := s.scan(ctx, "read", from, nil, options...)
		if err != nil {
			return "", err
		}
		if all := resp.GetResults(); len(all) > 0 && len(all[0].GetCell()) > 0 {
			key, err := message.KeyOfRow(all[0].GetCell()[0].GetRow())
			if err != nil {
				return "", corrupt(err)
			}
			return key, nil
		}
		if resp.GetMoreResultsInRegion() {
			continue // a sign of life without a row
		}
		edge := region.StopKey()
		if len(edge) == 0 || bytes.Compare(edge, from) <= 0 {
			return "", nil
		}
		from = edge
	}
}
