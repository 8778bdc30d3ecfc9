package e2e

import (
	"context"
	"errors"
	"strconv"
	"time"
)

// quietRead bounds one read of a stream, so that a reader notices that its
// session is over.
const quietRead = 250 * time.Millisecond

// retryAfter is how long a reader waits before it comes back to a server that is
// down.
const retryAfter = 100 * time.Millisecond

// reader is what one reader keeps between its sessions: what an app would have on
// disk. It is used by one goroutine.
type reader struct {
	*scene
	plan   ReaderPlan
	cursor int64 // of its key
	public int64 // of the public stream
}

// source is one protocol's way to read.
type source interface {
	// online reads until ctx ends or the server goes away.
	online(ctx context.Context, stall time.Duration) error
	// toTheEnd reads everything that is stored, once no push is to come; an error
	// means that it has to be tried again.
	toTheEnd(ctx context.Context) error
}

// read plays a reader's plan, and then lets it read to the end.
func (s *scene) read(ctx context.Context, plan ReaderPlan) {
	r := &reader{scene: s, plan: plan}
	for _, stream := range []string{plan.Key, ""} {
		s.history.Add(Event{Kind: EvReader, Reader: plan.Name, Stream: stream})
	}
	src := r.source()
	for _, session := range plan.Sessions {
		if !s.until(s.pushing, session.From) {
			break
		}
		r.session(s.pushing, src, session)
	}
	<-s.pushing.Done()
	for {
		if ctx.Err() != nil {
			return
		}
		err := src.toTheEnd(ctx)
		if err == nil {
			break
		}
		s.note("%s is not at the end: %v", plan.Name, err)
		if !Pause(ctx, retryAfter) {
			return
		}
	}
	for _, stream := range []string{plan.Key, ""} {
		s.history.Add(Event{Kind: EvFinished, Reader: plan.Name, Stream: stream, ID: r.at(stream)})
	}
}

func (r *reader) source() source {
	switch r.plan.Kind {
	case ReadWebsocket, ReadSSE:
		return v2Reader{r}
	case ReadV1TCP, ReadV1WS:
		return v1Reader{r}
	case ReadV1Poll:
		return v1Poller{r}
	default:
		return poller{r}
	}
}

// session is online for its time, through any number of connections.
func (r *reader) session(ctx context.Context, src source, session Session) {
	ctx, cancel := context.WithTimeout(ctx, max(0, session.To-r.since()))
	defer cancel()
	stall := session.Stall
	for ctx.Err() == nil {
		if err := src.online(ctx, stall); err != nil && ctx.Err() == nil {
			Pause(ctx, retryAfter)
		}
		stall = 0
	}
}

func (r *reader) at(stream string) int64 {
	if stream == "" {
		return r.public
	}
	return r.cursor
}

func (r *reader) move(stream string, id int64) {
	if stream == "" {
		r.public = id
	} else {
		r.cursor = id
	}
}

// opened says that what comes next was asked for from here.
func (r *reader) opened() { r.history.Add(Event{Kind: EvOpened, Reader: r.plan.Name}) }

// see takes a message in, then moves the cursor, as an app does that must not lose
// one. It drops nothing by itself: the checker sees all that came.
func (r *reader) see(stream string, id, prev int64, token string) {
	r.history.Add(Event{Kind: EvSeen, Reader: r.plan.Name, Stream: stream, ID: id, Prev: prev, Token: token})
	r.move(stream, id)
}

func (r *reader) gap(stream string, after, until int64) {
	r.history.Add(Event{Kind: EvGap, Reader: r.plan.Name, Stream: stream, After: after, ID: until})
	r.move(stream, until)
}

// streamOf names the stream of a frame.
func (r *reader) streamOf(public bool) string {
	if public {
		return ""
	}
	return r.plan.Key
}

// ids reads decimal ids; what is none is a fault of the server.
func (r *reader) ids(texts ...string) ([]int64, error) {
	all := make([]int64, len(texts))
	for i, text := range texts {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			r.fault(r.plan.Name, "an id is %q", text)
			return nil, err
		}
		all[i] = n
	}
	return all, nil
}

// v2Reader follows the v2 stream.
type v2Reader struct{ *reader }

func (r v2Reader) dial(ctx context.Context) (Stream, error) {
	node, err := r.api.Node(ctx, r.plan.Key)
	if err != nil {
		return nil, err
	}
	at, err := hostOf(node.WS)
	if err != nil {
		return nil, err
	}
	query := Cursors{After: strconv.FormatInt(r.cursor, 10), Public: strconv.FormatInt(r.public, 10)}.Query(r.plan.Key)
	r.opened()
	if r.plan.Kind == ReadSSE {
		return DialEvents(ctx, at, query, "")
	}
	return DialStream(ctx, at, query)
}

func (r v2Reader) online(ctx context.Context, stall time.Duration) error {
	s, err := r.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	Pause(ctx, stall)
	for ctx.Err() == nil {
		f, err := s.Next(quietRead)
		if Timeout(err) {
			continue
		}
		if err != nil {
			return err
		}
		if err := r.frame(f); err != nil {
			return err
		}
	}
	return nil
}

func (r v2Reader) toTheEnd(ctx context.Context) error {
	s, err := r.dial(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = s.Close() }()
	for {
		f, err := s.Next(20 * time.Second)
		if err != nil {
			return err
		}
		if f.Type == "live" {
			return nil
		}
		if err := r.frame(f); err != nil {
			return err
		}
	}
}

// frame takes one frame in. The cursors of ready must be the ones that were asked
// for.
func (r v2Reader) frame(f StreamFrame) error {
	stream := r.streamOf(f.Public)
	switch f.Type {
	case "ready":
		ids, err := r.ids(f.Cursor, f.PublicCursor)
		if err == nil && (ids[0] != r.cursor || ids[1] != r.public || !f.Resumed) {
			r.fault(r.plan.Name, "asked for %d/%d, got %s", r.cursor, r.public, f.Raw)
		}
		return err
	case "message":
		ids, err := r.ids(f.ID, f.Prev)
		if err == nil {
			r.see(stream, ids[0], ids[1], tokenOf(f.Data))
		}
		return err
	case "gap":
		ids, err := r.ids(f.After, f.Until)
		if err == nil {
			r.gap(stream, ids[0], ids[1])
		}
		return err
	case "error":
		return errors.New(f.Message)
	}
	return nil
}
