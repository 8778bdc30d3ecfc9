package message

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"

	"gopush/internal/push"
)

// Save stores a frame of writes, each whole or not at all, and calls answer once
// for each. What is refused before the store was asked surely stays away; an
// error of the store means that the outcome is unknown.
func (s *Service) Save(ctx context.Context, writes []push.Write, answer func(int, push.Written, error)) {
	ctx, cancel := s.bounded(ctx)
	defer cancel()
	done := func(i int, w push.Written, err error) {
		s.met.saved(len(writes[i].Messages), &w, err)
		s.note(ctx, &writes[i], err)
		answer(i, w, err)
	}
	if s.apart && len(writes) > 1 {
		s.saveApart(ctx, writes, done)
		return
	}
	leave, err := s.enter(ctx)
	if err != nil {
		for i := range writes {
			done(i, push.Written{}, err)
		}
		return
	}
	defer leave()
	s.save(ctx, writes, done)
}

// note writes the debug line of a write: who wrote, and for which requests. Keys and
// bodies may say who somebody is.
func (s *Service) note(ctx context.Context, w *push.Write, err error) {
	log := s.cfg.Log
	if !log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	attrs := make([]slog.Attr, 0, 5)
	attrs = append(attrs, slog.String("group", w.Group), slog.Int64("epoch", w.Epoch), slog.Int("messages", len(w.Messages)),
		slog.String("request_id", strings.Join(w.Requests, " ")))
	if err != nil {
		attrs = append(attrs, slog.Any("error", err))
	}
	log.LogAttrs(ctx, slog.LevelDebug, "write", attrs...)
}

// saveApart stores each write by itself: what is slow keeps nothing else.
func (s *Service) saveApart(ctx context.Context, writes []push.Write, done func(int, push.Written, error)) {
	var c crew
	defer c.wait()
	for i := range writes {
		leave, err := s.enter(ctx)
		if err != nil {
			done(i, push.Written{}, err)
			continue
		}
		c.run(func() {
			defer leave()
			s.save(ctx, writes[i:i+1], func(_ int, w push.Written, err error) { done(i, w, err) })
		})
	}
}

// save is Save of a frame that has its turn.
func (s *Service) save(ctx context.Context, writes []push.Write, done func(int, push.Written, error)) {
	all := make([]pending, len(writes))
	defer s.leave(all)
	s.prepare(ctx, writes, all)
	ready := make([]*pending, 0, len(writes))
	rows := make([]push.Write, 0, len(writes))
	for i := range all {
		p := &all[i]
		switch {
		case p.err != nil:
			done(i, push.Written{}, p.err)
		case len(p.write.Messages) == 0:
			done(i, p.written, nil)
		default:
			ready, rows = append(ready, p), append(rows, p.write)
		}
	}
	if len(rows) == 0 {
		return
	}
	errs := s.store.Save(ctx, rows)
	for k, p := range ready {
		if errs[k] != nil {
			done(p.index, push.Written{}, unknown(errs[k]))
			continue
		}
		done(p.index, p.written, nil)
	}
}

// leave says of all writes that were let in that they are not under way any more.
func (s *Service) leave(all []pending) {
	for i := range all {
		if all[i].entered {
			s.fences.leave(fenceOf(all[i].asked))
		}
	}
}

// unknown makes sure that an error of the store is not read as a refusal.
func unknown(err error) error {
	if push.Is(err, push.KindStoreUnavailable) || push.Is(err, push.KindOutcomeUnknown) {
		return err
	}
	return push.Wrap(push.KindOutcomeUnknown, err, "the store failed; the message may or may not be there")
}

// before marks an error that came before anything was written.
func before(err error) error {
	if e, ok := errors.AsType[*push.Error](err); ok && e.Kind == push.KindInternal {
		return err // the write itself is wrong; trying again would not help
	}
	return push.Wrap(push.KindStoreUnavailable, err, "the store could not be read; nothing was stored, try again")
}

// check refuses what no comet sends.
func check(w push.Write) error {
	if len(w.Messages) == 0 || len(w.Messages) > push.MaxBurstMessages {
		return push.E(push.KindInternal, "a write of %d messages; 1 to %d fit into a row", len(w.Messages), push.MaxBurstMessages)
	}
	if !w.Key.Reserved() {
		if _, err := push.ParseKey(string(w.Key)); err != nil {
			return err
		}
	}
	last := max(w.Prev, 0)
	for i := range w.Messages {
		m := &w.Messages[i]
		if m.ID <= last {
			return push.E(push.KindInternal, "id %d does not follow id %d", m.ID, last)
		}
		if len(m.IdempotencyKey) > MaxIdempotencyKey {
			return push.E(push.KindInternal, "an idempotency key of %d bytes; at most %d fit", len(m.IdempotencyKey), MaxIdempotencyKey)
		}
		last = m.ID
	}
	return nil
}

// prev is the id before the write's first message. Where the comet does not know
// it, the store does. A newest id at or above the write's own first one is the
// write itself, repeated after an unknown outcome; then what lies before counts.
func (s *Service) prev(ctx context.Context, w push.Write) (push.ID, error) {
	if w.Prev != push.PrevUnknown {
		return w.Prev, nil
	}
	newest, err := s.store.Newest(ctx, w.Key)
	if err != nil {
		return 0, err
	}
	first, last := w.Messages[0].ID, w.Messages[len(w.Messages)-1].ID
	if newest < first {
		return newest, nil
	}
	// The first one need not be there: it may have been a duplicate.
	page, err := s.store.Read(ctx, w.Key, push.Span{After: first - 1, Until: last, Limit: 1})
	if err != nil {
		return 0, err
	}
	if len(page.Messages) == 1 && page.Messages[0].Prev < first && has(w.Messages, page.Messages[0].ID) {
		return page.Messages[0].Prev, nil
	}
	return 0, push.E(push.KindInternal, "id %d is not above the newest id %d of its key", first, newest)
}

func has(ms []push.Message, id push.ID) bool {
	return slices.ContainsFunc(ms, func(m push.Message) bool { return m.ID == id })
}

// repeat looks m's idempotency key up: is it a retry of what is stored, and which
// id has that?
func (s *Service) repeat(ctx context.Context, w push.Write, prev push.ID, m *push.Message) (push.Outcome, error) {
	fresh := push.Outcome{Status: push.Stored, ID: m.ID}
	found, err := s.store.Find(ctx, w.Key, m.IdempotencyKey)
	if err != nil || found.ID == 0 || found.ID == m.ID {
		return fresh, err
	}
	same := found.Sum == BodySum(m.Body)
	if found.ID > m.ID {
		// This write was given up, and comes late: its retry has the key.
		return compare(found.ID, same), nil
	}
	gone := found.InDoubt
	if !gone && w.Prev == push.PrevUnknown && found.ID > prev {
		// It has landed after the write was given its place, and is no longer behind it. The
		// next attempt finds both.
		return fresh, errLanded
	}
	if !gone {
		if gone, err = s.offChain(ctx, w.Key, prev, found.ID); err != nil {
			return fresh, err
		}
	}
	if gone {
		// It was never acknowledged, and a reader may be past it: the app is to
		// see the new one.
		return fresh, s.store.Discard(ctx, w.Key, found.ID)
	}
	return compare(found.ID, same), nil
}

func compare(id push.ID, same bool) push.Outcome {
	if same {
		return push.Outcome{Status: push.Duplicate, ID: id}
	}
	return push.Outcome{Status: push.Conflict, ID: id}
}

// chainPages bounds how far offChain looks: two rows that were given up, and more.
const chainPages = 4

// errLanded is the reason to place a write anew.
var errLanded = errors.New("an earlier write of the key has landed just now")

// offChain reports whether a stored id was given up by its comet: the stream, which ends at
// prev, went on without it. Then what follows it has an earlier place, but first there may be the
// rest of its own row, which was given up with it. A later row that was given up says so as
// well, and is overruled by what has its place behind id.
func (s *Service) offChain(ctx context.Context, key push.Key, prev, id push.ID) (bool, error) {
	if prev <= id {
		return prev < id, nil
	}
	passed := false
	tip := id // the end of what is known to follow id
	at := id
	for range chainPages {
		page, err := s.store.Read(ctx, key, push.Span{After: at, Until: prev, Limit: push.MaxBurstMessages + 1})
		if err != nil {
			return false, err
		}
		for _, m := range page.Messages {
			switch {
			case m.Prev < id:
				passed = true
			case !passed:
				tip = m.ID
			case m.Prev <= tip:
				return false, nil
			}
		}
		if !page.More {
			return passed && prev > tip, nil
		}
		if !passed && len(page.Messages) > push.MaxBurstMessages {
			return false, nil // a whole row, and more, and all of it goes on from id
		}
		at = page.Next
	}
	return passed, nil
}
