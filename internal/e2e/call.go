package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
)

// maxAnswer bounds what a test reads as one HTTP body.
const maxAnswer = 64 << 20

// Answer is a whole HTTP answer.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// String shows an answer in test failures.
func (a Answer) String() string { return fmt.Sprintf("%d %.500s", a.Status, a.Body) }

// call does one request; header holds names and values in turn. HTTP statuses
// are answers, not errors.
func call(ctx context.Context, c *http.Client, method, url, body string, header ...string) (Answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := c.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return Answer{}, fmt.Errorf("reading the body of a %d: %w", res.StatusCode, err)
	}
	return Answer{Status: res.StatusCode, Header: res.Header, Body: string(text)}, nil
}

// neverSent reports whether a failed call cannot have reached the server: there
// was no connection to send it on.
func neverSent(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}
