package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"gopush/internal/push"
)

// Kinds that only HTTP knows.
const kindMethod push.Kind = "method_not_allowed"

// problem is the body of every v2 error (RFC 9457), and the error of a line of
// a batch.
type problem struct {
	Type      string    `json:"type"`
	Title     string    `json:"title"`
	Status    int       `json:"status"`
	Code      push.Kind `json:"code"`
	Detail    string    `json:"detail"`
	Retryable bool      `json:"retryable"`
	RequestID string    `json:"request_id"`

	Message *explanation `json:"message,omitempty"` // of an id under which there is nothing
}

// class is how HTTP shows a kind of error.
type class struct {
	code       push.Kind
	status     int
	title      string
	retryAfter time.Duration
}

// classOf maps a kind to what a client sees. Some kinds are matters between the
// roles and come out as the public kind that asks for the same reaction.
func classOf(kind push.Kind) class {
	switch kind {
	case push.KindBadRequest:
		return class{kind, http.StatusBadRequest, "the request is malformed", 0}
	case push.KindBadKey:
		return class{kind, http.StatusBadRequest, "the key is not valid", 0}
	case push.KindUnauthenticated:
		return class{kind, http.StatusUnauthorized, "a valid token is needed", 0}
	case push.KindTokenExpired, push.KindTokenRevoked:
		// What to do is the same; the sentence says which it is.
		return classOf(push.KindUnauthenticated)
	case push.KindForbidden:
		return class{kind, http.StatusForbidden, "this is not allowed", 0}
	case push.KindNotFound:
		return class{kind, http.StatusNotFound, "there is no such thing", 0}
	case kindMethod:
		return class{kind, http.StatusMethodNotAllowed, "the path does not know this method", 0}
	case push.KindConflict:
		return class{kind, http.StatusConflict, "it conflicts with what is there", 0}
	case push.KindTooLarge:
		return class{kind, http.StatusRequestEntityTooLarge, "the request is too large", 0}
	default:
		return laterClass(kind)
	}
}

// laterClass maps the kinds for which the same request may succeed later.
func laterClass(kind push.Kind) class {
	switch kind {
	case push.KindRateLimited:
		return class{kind, http.StatusTooManyRequests, "too many requests", time.Second}
	case push.KindBusy:
		return class{kind, http.StatusServiceUnavailable, "a queue is full", time.Second}
	case push.KindNoNode:
		return class{kind, http.StatusServiceUnavailable, "no node serves the key", 2 * time.Second}
	case push.KindStoreUnavailable:
		return class{kind, http.StatusServiceUnavailable, "the store cannot be reached", 2 * time.Second}
	case push.KindMoving, push.KindWrongNode:
		return class{push.KindMoving, http.StatusServiceUnavailable, "the key is moving between nodes", time.Second}
	case push.KindOutcomeUnknown, push.KindFenced:
		// A fenced writer may have lost its term after the store had the message.
		return class{push.KindOutcomeUnknown, http.StatusGatewayTimeout, "it may or may not have happened", 0}
	default:
		return class{push.KindInternal, http.StatusInternalServerError, "something failed inside", 0}
	}
}

// problemOf describes err for a client. Causes stay behind: they are for logs.
func problemOf(err error, requestID string) (problem, class) {
	c := classOf(push.KindOf(err))
	p := problem{
		Type: "urn:gopush:problem:" + string(c.code), Title: c.title, Status: c.status, Code: c.code,
		Detail: detailOf(err), Retryable: c.code.Retryable(), RequestID: requestID,
	}
	if e, ok := errors.AsType[*push.Error](err); ok && e.RetryAfter > 0 && c.retryAfter > 0 {
		c.retryAfter = e.RetryAfter
	}
	return p, c
}

// detailOf is the sentence for the client.
func detailOf(err error) string {
	if e, ok := errors.AsType[*push.Error](err); ok && e.Detail != "" && e.Kind != push.KindInternal {
		return e.Detail
	}
	if push.KindOf(err) == push.KindOutcomeUnknown {
		return "no answer came in time; retry with the same Idempotency-Key"
	}
	return "this is a fault of the server; its log has the cause under the request id"
}

// writeProblem answers with err. Headers that a class of errors needs are set
// here, so that no handler forgets one.
func writeProblem(w http.ResponseWriter, err error) {
	note(w, err)
	h := w.Header()
	p, c := problemOf(err, h.Get(requestIDHeader))
	if c.retryAfter > 0 {
		h.Set("Retry-After", strconv.Itoa(int((c.retryAfter+time.Second-1)/time.Second)))
	}
	if c.status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="gopush"`)
	}
	if e, ok := errors.AsType[*unexplained](err); ok {
		p.Message = e.known
	}
	body, _ := json.Marshal(p) // strings and numbers alone: cannot fail
	reply(w, c.status, "application/problem+json", body)
}

// reply writes a whole body of a known length.
func reply(w http.ResponseWriter, status int, contentType string, body []byte) {
	h := w.Header()
	h.Set("Content-Type", contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has gone is no error of ours
}

// errNotFound is for paths; a message that is not there has its own sentence.
func errNotFound() error {
	return push.E(push.KindNotFound, "nothing lives at this path; docs/http-api.md lists what does")
}

// errMethod goes with an Allow header.
func errMethod(method string) error {
	return push.E(kindMethod, "the path does not know %s; the Allow header names what it knows", method)
}

// readError classes the failure of a question: unlike a change, one that got no
// answer in time has no outcome to wonder about.
func readError(err error) error {
	if err != nil && classOf(push.KindOf(err)).code == push.KindOutcomeUnknown {
		return push.Wrap(push.KindStoreUnavailable, err, "no answer came in time; try again")
	}
	return err
}
