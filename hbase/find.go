package hbase

import (
	"cmp"
	"context"
	"slices"

	"github.com/tsuna/gohbase/pb"

	"gopush/internal/push"
	"gopush/message"
)

// Find looks an idempotency key up. Each message that used it has left a claim;
// the highest one counts that has not ended and whose message was not discarded.
func (s *Store) Find(ctx context.Context, key push.Key, idem string) (message.Found, error) {
	if err := s.enter(ctx); err != nil {
		return message.Found{}, err
	}
	defer s.leave()
	found, err := s.get(ctx, "find", claimRow(key, idem), query{})
	if err != nil {
		return message.Found{}, err
	}
	claims, err := parseClaims(found)
	if err != nil {
		return message.Found{}, corrupt(err)
	}
	for i := range claims {
		c := &claims[i]
		if c.expires <= s.millis() {
			continue
		}
		there, discarded, err := s.claimed(ctx, key, c)
		if err != nil {
			return message.Found{}, err
		}
		if !discarded {
			return message.Found{ID: c.id, Sum: c.sum, InDoubt: !there}, nil
		}
	}
	return message.Found{}, nil
}

// parseClaims reads the row of an idempotency key, the highest id first.
func parseClaims(found []*pb.Cell) ([]claim, error) {
	claims := make([]claim, 0, len(found))
	for _, cell := range found {
		c, err := parseClaim(cell.GetQualifier(), cell.GetValue())
		if err != nil {
			return nil, err
		}
		claims = append(claims, c)
	}
	slices.SortFunc(claims, func(a, b claim) int { return cmp.Compare(b.id, a.id) })
	return claims, nil
}

// claimed reports whether a claim's message is there, and whether it was
// discarded. A message at the end of its row has its marker in the same one.
func (s *Store) claimed(ctx context.Context, key push.Key, c *claim) (there, discarded bool, err error) {
	message, marker := messageQualifier(c.id), markQualifier(c.id, markDiscarded)
	found, err := s.get(ctx, "find", messageRow(key, c.row), query{qualifiers: []string{message, marker}, keysOnly: true})
	if err != nil {
		return false, false, err
	}
	if c.row != c.id {
		beside, err := s.get(ctx, "find", messageRow(key, c.id), query{qualifiers: []string{marker}, keysOnly: true})
		if err != nil {
			return false, false, err
		}
		found = append(found, beside...)
	}
	for _, cell := range found {
		there = there || string(cell.GetQualifier()) == message
		discarded = discarded || string(cell.GetQualifier()) == marker
	}
	return there, discarded, nil
}
