package comet

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/gorilla/websocket"

	"gopush/comet/wire"
	"gopush/internal/push"
)

// serveV2 is GET /v2/stream. What is wrong with the request is told after the
// upgrade, as a close code.
func (n *Node) serveV2(w http.ResponseWriter, r *http.Request) {
	_, token := wire.ParseSubprotocols(websocket.Subprotocols(r))
	if bearer := bearerToken(r); bearer != "" {
		token = bearer
	}
	req, err := wire.ParseStreamQuery(r.URL.RawQuery)
	n.upgrade(w, r, []string{wire.Subprotocol}, func(c *socket) {
		grant, err := n.checkStream(req, err, token)
		if err != nil {
			n.refuseV2(c, *n.refusal(err))
			n.dismiss(c.NetConn())
			return
		}
		n.runV2(c, req, grant)
	})
}

// checkStream decides whether a request for a stream can be served, and what its token
// allows. parse is what was wrong with the query.
func (n *Node) checkStream(req wire.Stream, parse error, token string) (*push.Grant, error) {
	if parse != nil {
		return nil, parse
	}
	if err := n.owns(req.Key); err != nil {
		return nil, push.Wrap(push.KindWrongNode, err, "this node does not serve the key; look the node up again")
	}
	grant, err := n.authorize(req.Key, token)
	if err != nil {
		return nil, err
	}
	if srv := n.service(); req.HasAfter && srv.valid() && req.After > srv.highest() {
		return nil, errCursor(req.After)
	}
	return grant, nil
}

// detail is the sentence for the client.
func detail(err error) string {
	if e, ok := errors.AsType[*push.Error](err); ok {
		return e.Detail
	}
	return "the connection could not be served"
}

// refusal puts an error into a v2 ending.
func (n *Node) refusal(err error) *ending {
	if e := tokenRefusal(err); e != nil {
		return e
	}
	kind, text := push.KindOf(err), detail(err)
	var e ending
	switch kind {
	case push.KindBadKey, push.KindBadRequest:
		e = closeBad(wire.CloseBadRequest, websocket.ClosePolicyViolation, string(kind), text)
	case push.KindWrongNode, push.KindMoving, push.KindNoNode:
		e = closeBad(wire.CloseWrongNode, websocket.CloseServiceRestart, string(push.KindWrongNode), text)
	case push.KindRateLimited:
		e = closeBad(wire.CloseTooMany, websocket.ClosePolicyViolation, string(kind), text)
	default:
		e = closeBad(wire.CloseOverloaded, websocket.CloseTryAgainLater, string(kind), text)
	}
	return &e
}

func (n *Node) refuseV2(c *socket, e ending) {
	n.met.refused(e.reason)
	_ = c.NetConn().SetWriteDeadline(time.Now().Add(n.cfg.Handshake))
	if _, err := c.NetConn().Write(e.bytes(formV2)); err == nil {
		awaitClose(c)
	}
	_ = c.Close()
}

// runV2 begins the life of a v2 websocket connection.
func (n *Node) runV2(c *socket, req wire.Stream, grant *push.Grant) {
	s := newSubscriber(n, c.NetConn(), formV2, "v2")
	leave, e := n.open(s, req, grant)
	if e != nil {
		n.refuseV2(c, *e)
		n.dismiss(c.NetConn())
		return
	}
	s.pingEvery(n.cfg.Heartbeat, frame(opcodePing, nil))
	s.readFrames(c, 2*n.cfg.Heartbeat, leave, s.clientFrame)
}

// clientFrame handles what a v2 client may say.
func (s *subscriber) clientFrame(kind int, data []byte) {
	if kind == websocket.BinaryMessage {
		s.shut(ending{reason: "binary frame", code: websocket.CloseUnsupportedData, v1: websocket.CloseUnsupportedData})
		return
	}
	f, err := wire.ParseClientFrame(data)
	switch {
	case err != nil:
		s.shut(closeBad(wire.CloseBadRequest, websocket.ClosePolicyViolation, "bad_request", "a frame must be a JSON object with a type"))
	case f.Type == "ping":
		s.reply(pongFrame)
	case f.Type == "token":
		s.renew(f.Token)
	default: // a later version's frame
	}
}

var pongFrame = textFrame(wire.AppendPong(nil))

// pingEvery sends ping at each interval until the connection ends.
func (s *subscriber) pingEvery(interval time.Duration, ping []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.timer = time.AfterFunc(interval, func() {
		s.reply(ping)
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.closing {
			s.timer.Reset(interval)
		}
	})
}

// open joins a v2 connection to its streams and sends its first frames. The
// cursors are settled before anything that was delivered meanwhile goes out. Public
// messages that the token is not for are left out.
func (n *Node) open(s *subscriber, req wire.Stream, grant *push.Grant) (leave func(), e *ending) {
	req.Public = req.Public && public(grant)
	leave, refused := n.join(s, req.Key, req.Public)
	switch refused {
	case "":
	case keyRate:
		return nil, &closeTooOften
	default:
		e := closeBad(wire.CloseTooMany, websocket.ClosePolicyViolation, string(push.KindRateLimited), "the key has as many connections as one key may have")
		return nil, &e
	}
	ctx, cancel := context.WithTimeout(n.life, n.cfg.AttemptTimeout)
	defer cancel()
	cursor, err := s.private.settle(ctx, req.After, req.HasAfter)
	var publicCursor push.ID
	if err == nil && req.Public {
		publicCursor, err = s.public.settle(ctx, req.PublicAfter, req.HasPublicAfter)
	}
	if err != nil {
		leave()
		return nil, n.refusal(push.Wrap(push.KindStoreUnavailable, err, "the store does not answer; come back later"))
	}
	s.hold(grant)
	s.sentID, s.sentPublic = cursor, publicCursor
	s.ready(wire.AppendReady(nil, wire.Ready{
		Key: req.Key, Node: n.cfg.Member.Group, Cursor: cursor, PublicCursor: publicCursor,
		Resumed: req.HasAfter, HeartbeatS: int(n.cfg.Heartbeat / time.Second),
	}))
	return leave, nil
}

// ready sends the first frame; live follows at once if nothing has to be read.
func (s *subscriber) ready(json []byte) {
	first := []*event{{kind: evRaw, raw: textFrame(json)}}
	if s.form == formSSE {
		first[0].raw = wire.AppendEvent(nil, "ready", s.sentID, s.sentPublic, true, json)
	}
	s.mu.Lock()
	if s.caughtUp() {
		first = append(first, &event{kind: evLive})
	}
	s.mu.Unlock()
	s.begin(first...)
}

// caughtUp reports whether no feed has anything to read. Guarded by mu.
func (s *subscriber) caughtUp() bool {
	for _, f := range []*feed{&s.private, &s.public} {
		if f.state.reads() {
			return false
		}
	}
	return true
}

// settle decides where a feed begins: at the client's own cursor, or at the
// newest id there is.
func (f *feed) settle(ctx context.Context, after push.ID, given bool) (push.ID, error) {
	newest, known := f.ch.newest()
	if !given && !known {
		var err error
		if newest, err = f.sub.node.deps.Messages.Newest(ctx, f.ch.key); err != nil {
			return 0, err
		}
	}
	f.ch.mu.Lock()
	defer f.ch.mu.Unlock()
	f.sub.mu.Lock()
	defer f.sub.mu.Unlock()
	switch {
	case given:
		f.rewind(after)
		return after, nil
	case f.state == feedLive: // something came while the newest id was looked up
		return f.start, nil
	default:
		f.cursor = newest
		f.turn(feedLive)
		return newest, nil
	}
}

// rewind sets the cursor that a client gave. What was queued since the feed
// joined is dropped again, unless it follows on.
func (f *feed) rewind(after push.ID) {
	if f.state == feedLive {
		f.drop()
	}
	f.cursor, f.quiet = after, after == 0
	f.turn(feedBehind)
	if f.ch.last != push.PrevUnknown && after >= f.ch.last {
		f.turn(feedLive)
	}
}

// drop takes the feed's messages out of the queue; they will be read again.
func (f *feed) drop() {
	f.purge(func(push.ID) bool { return true })
}

// bearerToken is the token of an Authorization header, or empty.
func bearerToken(r *http.Request) string {
	const prefix = "Bearer "
	if h := r.Header.Get("Authorization"); len(h) > len(prefix) && h[:len(prefix)] == prefix {
		return h[len(prefix):]
	}
	return ""
}
