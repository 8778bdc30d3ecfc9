package e2e

import (
	"context"
	"fmt"
	"math"
	"net/url"
	"strings"
	"time"
)

// v1Reader is a careful v1 client: it waits for +h, then fetches what it missed,
// and takes live messages in only behind that. It drops what is at or below its
// cursor, as the v1 rule has it.
type v1Reader struct{ *reader }

func (r v1Reader) dial(ctx context.Context) (V1Conn, error) {
	proto := 1
	if r.plan.Kind == ReadV1TCP {
		proto = 2
	}
	addr, err := r.api.V1Server(ctx, r.plan.Key, proto)
	if err != nil {
		return nil, err
	}
	if proto == 2 {
		return DialTCP(ctx, addr, V1Subscribe(r.plan.Key))
	}
	return DialSub(ctx, addr, url.Values{"key": {r.plan.Key}, "heartbeat": {"30"}, "ver": {"1.0"}}, nil)
}

func (r v1Reader) online(ctx context.Context, stall time.Duration) error {
	conn, err := r.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if got, err := conn.Next(10 * time.Second); err != nil || got != "+h" {
		return fmt.Errorf("the first reply is %q: %w", got, err)
	}
	if err := r.fetch(ctx); err != nil {
		return err
	}
	Pause(ctx, stall)
	var last [2]int64 // the newest mid of this connection, by gid
	for ctx.Err() == nil {
		text, err := conn.Next(quietRead)
		if Timeout(err) {
			continue
		}
		if err != nil {
			return err
		}
		if err := r.live(text, &last); err != nil {
			return err
		}
	}
	return nil
}

// live takes a live message in. On one connection mids must ascend, also those that
// the client drops.
func (r v1Reader) live(text string, last *[2]int64) error {
	if strings.HasPrefix(text, "+") {
		return nil
	}
	m, err := ParseV1(text)
	if err != nil {
		return err
	}
	if m.GID != 0 && m.GID != 1 || m.Mid <= last[m.GID] {
		r.fault(r.plan.Name, "the mid %d (gid %d) came after %d on one connection", m.Mid, m.GID, last[m.GID&1])
		return nil
	}
	last[m.GID] = m.Mid
	r.take(m)
	return nil
}

// take is the v1 rule.
func (r *reader) take(m V1Message) {
	stream := r.streamOf(m.GID == 1)
	if m.Mid > r.at(stream) {
		r.see(stream, m.Mid, PrevUnknown, tokenOf(m.Msg))
	}
}

// fetch asks for what is stored above both cursors.
func (r *reader) fetch(ctx context.Context) error {
	r.opened()
	private, public, err := r.api.V1Fetch(ctx, r.plan.Key, r.cursor, r.public)
	if err != nil {
		return err
	}
	for gid, list := range [][]V1Message{private, public} {
		last := int64(math.MinInt64)
		for _, m := range list {
			if m.GID != gid || m.Mid <= last {
				r.fault(r.plan.Name, "a fetch holds the mid %d (gid %d) after %d in list %d", m.Mid, m.GID, last, gid)
			}
			last = m.Mid
			r.take(m)
		}
	}
	return nil
}

func (r v1Reader) toTheEnd(ctx context.Context) error { return r.fetch(ctx) }

// v1Poller never connects: it fetches again and again.
type v1Poller struct{ *reader }

func (r v1Poller) online(ctx context.Context, stall time.Duration) error {
	Pause(ctx, stall)
	if err := r.fetch(ctx); err != nil {
		return err
	}
	Pause(ctx, pollPause)
	return nil
}

func (r v1Poller) toTheEnd(ctx context.Context) error { return r.fetch(ctx) }

// pollPause is how long a poller waits between two questions.
const pollPause = 50 * time.Millisecond

// poller follows its cursor through pages: it never connects, so nothing ever tells
// it that a message turned up below.
type poller struct{ *reader }

func (r poller) online(ctx context.Context, stall time.Duration) error {
	Pause(ctx, stall)
	more, err := r.page(ctx)
	if err == nil && !more {
		Pause(ctx, pollPause)
	}
	return err
}

func (r poller) toTheEnd(ctx context.Context) error {
	for {
		more, err := r.page(ctx)
		if err != nil || !more {
			return err
		}
	}
}

// page reads one page of each stream.
func (r poller) page(ctx context.Context) (more bool, err error) {
	r.opened()
	p, err := r.api.Messages(ctx, r.plan.Key, fmt.Sprint(r.cursor), fmt.Sprint(r.public), r.plan.Limit)
	if err != nil {
		return false, err
	}
	if p.Public == nil {
		r.fault(r.plan.Name, "public_after was given, and public is missing")
		return false, nil
	}
	if err := r.takePage(r.plan.Key, p); err != nil {
		return false, err
	}
	return p.More || p.Public.More, r.takePage("", *p.Public)
}

func (r poller) takePage(stream string, p Page) error {
	if p.Gap != nil {
		ids, err := r.ids(p.Gap.After, p.Gap.Until)
		if err != nil {
			return err
		}
		// It may lie behind some of the page's messages.
		defer r.history.Add(Event{Kind: EvNote, Reader: r.plan.Name, Stream: stream, Text: "gap", After: ids[0], ID: ids[1]})
	}
	for _, m := range p.Messages {
		ids, err := r.ids(m.ID, m.Prev)
		if err != nil {
			return err
		}
		r.see(stream, ids[0], ids[1], tokenOf(m.Data))
	}
	ids, err := r.ids(p.Next)
	if err != nil {
		return err
	}
	if ids[0] < r.at(stream) {
		r.fault(r.plan.Name, "next is %d, below %d", ids[0], r.at(stream))
		return nil
	}
	if ids[0] > r.at(stream) {
		// What lay between is recalled or gone; losses show at the end.
		r.gap(stream, r.at(stream), ids[0])
	}
	return nil
}
