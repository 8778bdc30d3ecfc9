package wire

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"gopush/internal/push"
)

// Limits of a v1 subscription.
const (
	MinHeartbeat = 30 * time.Second
	MaxHeartbeat = 24 * time.Hour
	// MaxToken is the longest client token, in bytes.
	MaxToken = 4096
	// MaxVersion is the longest text that may stand for a version, in bytes.
	MaxVersion = 255
)

var (
	// ErrMalformed is what is no v1 framing: the connection is closed without a
	// word.
	ErrMalformed = errors.New("wire: malformed framing")
	// ErrParameter is a subscription with a wrong content; its answer is
	// ReplyParam.
	ErrParameter = errors.New("wire: wrong parameter")
)

// Subscribe is what a v1 client asks for, checked.
type Subscribe struct {
	Key       push.Key
	Heartbeat time.Duration // MinHeartbeat to MaxHeartbeat, whole seconds
	Token     string        // empty: none
	// Versioned says that the client named a version, whichever: it gets the
	// message as a JSON value and not as a string.
	Versioned bool
}

// ParseSubscribeQuery reads the query of GET /sub: key, heartbeat, token and
// ver. All of its errors are ErrParameter.
func ParseSubscribeQuery(q url.Values) (Subscribe, error) {
	return newSubscribe(q.Get("key"), q.Get("heartbeat"), q.Get("token"), q.Get("ver"))
}

// newSubscribe checks the contents, wherever they came from.
func newSubscribe(key, heartbeat, token, version string) (Subscribe, error) {
	k, err := push.ParseKey(key)
	if err != nil {
		return Subscribe{}, fmt.Errorf("%w: %w", ErrParameter, err)
	}
	every, err := parseHeartbeat(heartbeat)
	if err != nil {
		return Subscribe{}, err
	}
	if len(token) > MaxToken {
		return Subscribe{}, fmt.Errorf("%w: the token has %d bytes, at most %d are allowed", ErrParameter, len(token), MaxToken)
	}
	if len(version) > MaxVersion {
		return Subscribe{}, fmt.Errorf("%w: the version has %d bytes, at most %d are allowed", ErrParameter, len(version), MaxVersion)
	}
	return Subscribe{Key: k, Heartbeat: every, Token: token, Versioned: version != ""}, nil
}

// parseHeartbeat reads seconds. The comparison is made before the number
// becomes a Duration, where it might overflow.
func parseHeartbeat(s string) (time.Duration, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: the heartbeat is no integer", ErrParameter)
	}
	if n < int64(MinHeartbeat/time.Second) || n > int64(MaxHeartbeat/time.Second) {
		return 0, fmt.Errorf("%w: the heartbeat is %d s, it must be %d to %d", ErrParameter, n, MinHeartbeat/time.Second, MaxHeartbeat/time.Second)
	}
	return time.Duration(n) * time.Second, nil
}
