package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"gopush/comet/wire"
	"gopush/internal/push"
)

// session is one connection that stands, seen from the reader.
type session struct {
	*Client
	link  *link
	ready bool
	since time.Time // of ready
	move  time.Duration
	fault wire.ServerFrame // the error frame before a close
}

// run reads frames until the connection ends.
func (s *session) run(ctx context.Context) error {
	for {
		f, err := s.link.read()
		if e, ok := errors.AsType[*CloseError](err); ok {
			e.ErrorCode, e.Detail = s.fault.Code, s.fault.Text
		}
		if err != nil {
			return err
		}
		if err := s.handle(ctx, f); err != nil {
			return err
		}
	}
}

// handle deals with one frame.
func (s *session) handle(ctx context.Context, f wire.ServerFrame) error {
	switch f.Type {
	case wire.TypeReady:
		return s.onReady(ctx, f.Ready)
	case wire.TypeMove:
		s.move = f.RetryAfter
		return nil
	case wire.TypeError:
		s.fault = f
		return nil
	case wire.TypeMessage, wire.TypeGap, wire.TypeRecall, wire.TypeLive:
	default: // pong, and what later versions add
		return nil
	}
	if !s.ready {
		return fmt.Errorf("%w: %s before ready", ErrProtocol, f.Type)
	}
	switch f.Type {
	case wire.TypeMessage:
		return s.onMessage(ctx, f)
	case wire.TypeGap:
		return s.onGap(ctx, f.Gap, f.Public)
	case wire.TypeRecall:
		if err := s.emit(ctx, Event{Kind: KindRecall, ID: f.ID, Public: f.Public}); err != nil {
			return err
		}
		s.track(f.Public).recall(f.ID)
		return nil
	default:
		s.own.fromStart, s.public.fromStart = false, false
		return s.emit(ctx, Event{Kind: KindLive})
	}
}

func (c *Client) track(public bool) *track {
	if public {
		return &c.public
	}
	return &c.own
}

// onReady checks that the stream begins where it was asked to: one that begins
// later would have lost something without a word.
func (s *session) onReady(ctx context.Context, r wire.Ready) error {
	switch {
	case s.ready:
		return fmt.Errorf("%w: ready twice", ErrProtocol)
	case r.Key != s.cfg.Key:
		return fmt.Errorf("%w: ready for another key", ErrProtocol)
	case s.own.known && (!r.Resumed || r.Cursor > s.own.cursor):
		return fmt.Errorf("%w: the stream begins at %d, not at %d as asked", ErrProtocol, r.Cursor, s.own.cursor)
	case s.public.known && !s.cfg.NoPublic && r.PublicCursor > s.public.cursor:
		return fmt.Errorf("%w: the public stream begins at %d, not at %d as asked", ErrProtocol, r.PublicCursor, s.public.cursor)
	}
	s.own.begin(r.Cursor)
	s.public.begin(r.PublicCursor)
	s.ready, s.since = true, time.Now()
	s.tokens.accept()
	s.link.silence = 2 * time.Duration(r.HeartbeatS) * time.Second
	s.deps.Log.DebugContext(ctx, "connected", slog.String("node", r.Node), slog.String("cursor", s.own.cursor.String()))
	return s.emit(ctx, Event{Kind: KindReady, Node: r.Node, Resumed: r.Resumed})
}

// onMessage delivers a message that follows on what was delivered, and drops
// one that was delivered before.
func (s *session) onMessage(ctx context.Context, f wire.ServerFrame) error {
	ev := Event{
		Kind: KindMessage, ID: f.ID, Prev: f.Prev, Data: f.Data, Public: f.Public, Transient: f.Transient,
	}
	if f.ExpiresAt != 0 {
		ev.ExpiresAt = time.UnixMilli(f.ExpiresAt)
	}
	if f.Transient {
		return s.emit(ctx, ev)
	}
	t := s.track(f.Public)
	switch t.judge(f.ID, f.Prev) {
	case drop:
		if s.cfg.Repeats {
			ev.Kind = KindRepeat
			return s.emit(ctx, ev)
		}
		return nil
	case refuse:
		e := t.broken
		e.Public = f.Public
		return &e
	case explain:
		s.deps.Log.ErrorContext(ctx, "messages are missing and the server does not say why", slog.Any("error", &t.broken))
		gap := push.Gap{After: t.cursor, Until: f.Prev, Reason: GapUnexplained}
		if err := s.onGap(ctx, gap, f.Public); err != nil {
			return err
		}
	case deliver:
	}
	return s.step(ctx, ev, f.ID)
}

// onGap passes a gap on, except one that lies below what was delivered.
func (s *session) onGap(ctx context.Context, g push.Gap, public bool) error {
	if g.Until <= s.track(public).cursor {
		return nil
	}
	return s.step(ctx, Event{Kind: KindGap, Gap: g, Public: public}, g.Until)
}

// step emits an event that moves a cursor, and moves it once the event is dealt
// with.
func (s *session) step(ctx context.Context, ev Event, to push.ID) error {
	if ev.Public {
		ev.PublicCursor = to
	} else {
		ev.Cursor = to
	}
	if err := s.emit(ctx, ev); err != nil {
		return err
	}
	s.track(ev.Public).advance(to)
	return nil
}
