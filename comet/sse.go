package comet

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"

	"gopush/comet/wire"
	"gopush/internal/push"
)

// sseHead begins the stream. The connection's end is the stream's end, so that
// the same bytes can be written to it as to any other connection.
const sseHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n" +
	"X-Content-Type-Options: nosniff\r\nX-Accel-Buffering: no\r\nConnection: close\r\n"

var ssePing = []byte(":\n\n")

// serveSSE is GET /v2/events: the v2 stream as server-sent events.
func (n *Node) serveSSE(w http.ResponseWriter, r *http.Request) {
	n.allowOrigin(w, r)
	if !n.originAllowed(r) {
		n.problem(w, push.E(push.KindForbidden, "this origin may not listen here"), string(push.KindForbidden))
		return
	}
	req, err := streamRequest(r)
	grant, err := n.checkStream(req, err, bearerToken(r))
	if err != nil {
		n.problem(w, err, sseReason(err))
		return
	}
	if !n.admit() {
		n.sayProblem(w, push.E(push.KindBusy, "%s", turnedAway[nodeFull]))
		return
	}
	n.hijackSSE(w, req, grant)
}

// streamRequest reads the query; Last-Event-ID wins over its cursors.
func streamRequest(r *http.Request) (wire.Stream, error) {
	req, err := wire.ParseStreamQuery(r.URL.RawQuery)
	if err != nil {
		return req, err
	}
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		if req.After, req.PublicAfter, err = wire.ParseLastEventID(last); err != nil {
			return req, err
		}
		req.HasAfter, req.HasPublicAfter = true, true
	}
	return req, nil
}

// hijackSSE takes the connection over; net/http's goroutine and buffers can go.
func (n *Node) hijackSSE(w http.ResponseWriter, req wire.Stream, grant *push.Grant) {
	head := sseHead
	if origin := w.Header().Get("Access-Control-Allow-Origin"); origin != "" {
		head += "Access-Control-Allow-Origin: " + origin + "\r\nVary: Origin\r\n"
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		n.retract()
		n.problem(w, push.Wrap(push.KindInternal, err, "the connection cannot be streamed to"), string(push.KindInternal))
		return
	}
	_ = conn.SetDeadline(time.Time{})
	n.spawn(func() { n.runSSE(conn, head+"\r\n", req, grant) })
}

// runSSE begins the life of an SSE connection, which it owns.
func (n *Node) runSSE(conn net.Conn, head string, req wire.Stream, grant *push.Grant) {
	_ = conn.SetWriteDeadline(time.Now().Add(n.cfg.Handshake))
	if _, err := io.WriteString(conn, head); err != nil {
		_ = conn.Close()
		n.dismiss(conn)
		return
	}
	s := newSubscriber(n, conn, formSSE, "sse")
	leave, e := n.open(s, req, grant)
	if e != nil {
		n.met.refused(e.reason)
		_, _ = conn.Write(e.bytes(formSSE))
		_ = conn.Close()
		n.dismiss(conn)
		return
	}
	s.pingEvery(n.cfg.Heartbeat, ssePing)
	in := bufio.NewReaderSize(conn, 16)
	r := &reader{s: s, in: in, leave: leave, ended: s.noteEnd}
	r.step = func() bool { return s.discard(in) }
	r.start(conn)
}

// discard drops what an SSE client says; it has nothing more to say.
func (s *subscriber) discard(in *bufio.Reader) bool {
	_, err := in.ReadByte()
	if err != nil {
		s.noteEnd(err)
		return false
	}
	_, _ = in.Discard(in.Buffered())
	return true
}

// allowOrigin tells browsers that the answer may be read.
func (n *Node) allowOrigin(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Vary", "Origin")
	switch origin, origins := r.Header.Get("Origin"), n.limits.Load().Origins; {
	case anyOrigin(origins):
		w.Header().Set("Access-Control-Allow-Origin", "*")
	case slices.Contains(origins, origin):
		w.Header().Set("Access-Control-Allow-Origin", origin)
	}
}

// preflight is what a browser asks before a page may listen with a token: EventSource has no
// headers of its own, but fetch does. Other origins are told nothing.
func (n *Node) preflight(w http.ResponseWriter, r *http.Request) {
	n.allowOrigin(w, r)
	if h := w.Header(); h.Get("Access-Control-Allow-Origin") != "" {
		h.Set("Access-Control-Allow-Methods", http.MethodGet)
		h.Set("Access-Control-Allow-Headers", "Authorization, Last-Event-ID")
		h.Set("Access-Control-Max-Age", "600")
	}
	w.WriteHeader(http.StatusNoContent)
}

// problem counts a refusal and answers with it, before a stream has begun; reason is the
// metrics'.
func (n *Node) problem(w http.ResponseWriter, err error, reason string) {
	n.met.refused(reason)
	n.sayProblem(w, err)
}

// sayProblem answers with problem+json.
func (n *Node) sayProblem(w http.ResponseWriter, err error) {
	kind := push.KindOf(err)
	status := sseStatus(kind)
	if status == http.StatusUnauthorized {
		kind = push.KindUnauthenticated // the sentence says why
		w.Header().Set("WWW-Authenticate", `Bearer realm="gopush"`)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	retryable := status == http.StatusServiceUnavailable
	if retryable {
		w.Header().Set("Retry-After", strconv.Itoa(1))
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"type": "urn:gopush:problem:" + string(kind), "title": http.StatusText(status), "status": status,
		"code": kind, "detail": detail(err), "retryable": retryable,
	})
}

// sseReason is what the metrics call a refusal: of a token as on a websocket.
func sseReason(err error) string {
	if e := tokenRefusal(err); e != nil {
		return e.reason
	}
	return string(push.KindOf(err))
}

func sseStatus(kind push.Kind) int {
	switch kind {
	case push.KindBadRequest, push.KindBadKey:
		return http.StatusBadRequest
	case push.KindWrongNode:
		return http.StatusMisdirectedRequest
	case push.KindUnauthenticated, push.KindTokenExpired, push.KindTokenRevoked:
		return http.StatusUnauthorized
	case push.KindForbidden:
		return http.StatusForbidden
	case push.KindNotFound:
		return http.StatusNotFound
	case kindMethod:
		return http.StatusMethodNotAllowed
	case push.KindInternal:
		return http.StatusInternalServerError
	default:
		return http.StatusServiceUnavailable
	}
}

func errCursor(after push.ID) error {
	return push.E(push.KindBadRequest, "the cursor %s is above every id there is; start from /v2/time or without one", after)
}
