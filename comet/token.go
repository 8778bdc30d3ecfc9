package comet

import (
	"context"
	"time"

	"github.com/gorilla/websocket"

	"gopush/comet/wire"
	"gopush/internal/push"
)

// Tokens checks the tokens of clients.
type Tokens interface {
	// Verify says what a token allows. Its errors are of KindUnauthenticated,
	// KindTokenExpired or KindTokenRevoked; any other means that it cannot be told
	// right now.
	Verify(token string, now time.Time) (push.Grant, error)
	// Withdrawn reports whether a grant that was verified holds no more, though its
	// time is not over.
	Withdrawn(g *push.Grant) bool
	// Changed returns a channel that is closed once Withdrawn may say of another
	// grant that it holds no more.
	Changed() <-chan struct{}
}

// pass is the grant that an open connection holds, and the timer of its end.
type pass struct {
	grant push.Grant
	timer *time.Timer
}

// minRecheck keeps a clock that stands still from turning the timer into a loop.
const minRecheck = 100 * time.Millisecond

// authorize says what a token allows its bearer on key; nil when tokens are not needed.
// Nothing is looked up that depends on the key, so neither the answer nor its time tells
// what is known of it.
func (n *Node) authorize(key push.Key, token string) (*push.Grant, error) {
	if n.deps.Tokens == nil {
		return nil, nil
	}
	g, err := n.deps.Tokens.Verify(token, n.deps.Now())
	if err == nil {
		err = g.Check(key)
	}
	if err != nil {
		return nil, err
	}
	return &g, nil
}

// public reports whether public messages are within a grant.
func public(g *push.Grant) bool { return g == nil || g.Public }

// hold gives the connection a grant, with which it ends. It has joined its channel by then:
// whoever revokes tokens looks for connections after that, and this looks after them.
func (s *subscriber) hold(g *push.Grant) {
	if g == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	left := max(g.Expires.Sub(s.node.deps.Now()), 0)
	switch {
	case s.readerGone:
		return
	case s.pass == nil:
		s.pass = &pass{grant: *g, timer: time.AfterFunc(left, s.expire)}
	default:
		s.pass.grant = *g
		s.pass.timer.Reset(left)
	}
	s.withdraw()
}

// expire ends a connection whose token's time is over. A clock that was set back makes it
// wait again, and so does a token that was renewed meanwhile.
func (s *subscriber) expire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return
	}
	if left := s.pass.grant.Expires.Sub(s.node.deps.Now()); left > 0 {
		s.pass.timer.Reset(max(left, minRecheck))
		return
	}
	s.stop(closeExpired)
}

// withdraw ends a connection whose token was revoked. Guarded by mu.
func (s *subscriber) withdraw() {
	if s.pass != nil && s.node.deps.Tokens.Withdrawn(&s.pass.grant) {
		s.stop(closeRevoked)
	}
}

// renew takes a new token for a connection that is open. It has to be for all that the
// connection gets.
func (s *subscriber) renew(token string) {
	n := s.node
	g, err := n.authorize(s.private.ch.key, token)
	if err == nil && s.public.ch != nil && !public(g) {
		err = push.E(push.KindForbidden, "the token is not for public messages")
	}
	if err != nil {
		s.shut(*n.refusal(err))
		return
	}
	s.hold(g)
}

// followTokens ends connections whose tokens do not count any more, until ctx ends.
func (n *Node) followTokens(ctx context.Context) {
	for {
		changed := n.deps.Tokens.Changed()
		for _, s := range n.table.subscribers() {
			s.mu.Lock()
			s.withdraw()
			s.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
	}
}

// How the connections end whose tokens do.
var (
	closeExpired = closeBad(wire.CloseTokenExpired, websocket.ClosePolicyViolation, string(push.KindTokenExpired), "the token has expired; come back with a new one")
	closeRevoked = closeBad(wire.CloseRevoked, websocket.ClosePolicyViolation, string(push.KindTokenRevoked), "the token was revoked")
)

// tokenRefusal is the ending for a token that does not do, or nil for another error.
func tokenRefusal(err error) *ending {
	var code wire.CloseCode
	kind := push.KindOf(err)
	switch kind {
	case push.KindUnauthenticated:
		code = wire.CloseUnauthenticated
	case push.KindTokenExpired:
		code = wire.CloseTokenExpired
	case push.KindTokenRevoked:
		code = wire.CloseRevoked
	case push.KindForbidden:
		code = wire.CloseForbidden
	default:
		return nil
	}
	e := closeBad(code, websocket.ClosePolicyViolation, string(kind), detail(err))
	return &e
}
