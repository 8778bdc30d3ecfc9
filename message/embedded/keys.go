package embedded

import (
	"context"

	"github.com/cockroachdb/pebble/v2"

	"gopush/internal/push"
	"gopush/message"
)

// NextKey is the first user's key behind after, in the order of their bytes, that has rows of
// messages, whether or not they are readable; "" when there is none. "" as after begins.
func (s *Store) NextKey(ctx context.Context, after push.Key) (key push.Key, err error) {
	if err := s.enter(ctx); err != nil {
		return "", err
	}
	defer s.leave()
	it, err := s.db.NewIter(&pebble.IterOptions{
		LowerBound: message.AppendBehindKey([]byte{tableMessages}, after), UpperBound: []byte{tableMessages + 1},
	})
	if err != nil {
		return "", broken(err)
	}
	if it.First() {
		key, err = message.KeyOfRow(it.Key()[1:])
	}
	if closeErr := it.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return "", broken(err)
	}
	return key, nil
}
