package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"gopush/internal/push"
)

// maxPage is the most messages that a server puts in one reply.
const maxPage = 1000

// inboxCmd reads through the public API, as a device does that only polls.
// Reading takes nothing away.
type inboxCmd struct {
	Key   string `arg:"" help:"Subscription key."`
	After string `help:"Only messages above this id." default:"0" placeholder:"ID"`
	Limit int    `help:"The most messages to print, default ${default}." default:"100" placeholder:"N"`
	publicFlags
}

// message is a stored message as the API shows it.
type message struct {
	ID        string          `json:"id"`
	Prev      string          `json:"prev"`
	Data      json.RawMessage `json:"data"`
	ExpiresAt int64           `json:"expires_at"`
}

// gap is a part of the stream that is gone.
type gap struct {
	After  string `json:"after"`
	Until  string `json:"until"`
	Reason string `json:"reason"`
}

// page is one reply. It has at most one gap; a second one comes with the next
// page.
type page struct {
	Messages []message `json:"messages"`
	Next     string    `json:"next"`
	More     bool      `json:"more"`
	Gap      *gap      `json:"gap"`
}

// inbox is the result, as --json shows it: the pages put together.
type inbox struct {
	Messages []message `json:"messages"`
	Gaps     []gap     `json:"gaps,omitempty"`
	Next     string    `json:"next"`
	More     bool      `json:"more"`
}

// Run prints stored messages.
func (c *inboxCmd) Run(ctx context.Context, cli *commands, s streams) error {
	if _, err := push.ParseKey(c.Key); err != nil {
		return usage("%w", err)
	}
	if _, err := push.ParseID(c.After); err != nil {
		return usage("--after: %w", err)
	}
	if c.Limit < 1 {
		return usage("--limit is %d; it must be at least 1", c.Limit)
	}
	result, err := c.read(ctx)
	if err != nil {
		return err
	}
	if cli.JSON {
		return writeJSON(s.out, result)
	}
	return result.print(s.out)
}

// read follows the cursor from page to page.
func (c *inboxCmd) read(ctx context.Context) (inbox, error) {
	// An empty list is [] in JSON, never null.
	result := inbox{Messages: []message{}, Next: c.After, More: true}
	for left := c.Limit; result.More && left > 0; left = c.Limit - len(result.Messages) {
		r := request{
			method: http.MethodGet, base: c.Web, path: "/v2/messages", timeout: c.Timeout, ca: &c.caFlag,
			header: map[string]string{"Authorization": bearer(clientToken())},
			query:  url.Values{"key": {c.Key}, "after": {result.Next}, "limit": {strconv.Itoa(min(left, maxPage))}},
		}
		var p page
		if _, err := r.call(ctx, &p); err != nil {
			return inbox{}, err
		}
		if p.More && p.Next == result.Next {
			// To go on would be to ask the same for ever.
			return inbox{}, fmt.Errorf("%s says that there is more after %s, but gives nothing", c.Web, p.Next)
		}
		result.Messages = append(result.Messages, p.Messages...)
		if p.Gap != nil {
			result.Gaps = append(result.Gaps, *p.Gap)
		}
		result.Next, result.More = p.Next, p.More
	}
	return result, nil
}

// print writes messages and gaps in the order of their ids.
func (in inbox) print(w io.Writer) error {
	var b []byte
	gaps := in.Gaps
	for _, m := range in.Messages {
		for len(gaps) > 0 && compareIDs(gaps[0].Until, m.ID) < 0 {
			b, gaps = fmt.Appendf(b, "%s\n", gaps[0]), gaps[1:]
		}
		b = fmt.Appendf(b, "%s %s\n", m.ID, m.Data)
	}
	for _, g := range gaps {
		b = fmt.Appendf(b, "%s\n", g)
	}
	switch {
	case in.More:
		b = fmt.Appendf(b, "-- there is more: --after %s\n", in.Next)
	case len(in.Messages) == 0:
		b = fmt.Appendf(b, "-- nothing\n")
	}
	_, err := w.Write(b)
	return err
}

func (g gap) String() string {
	return fmt.Sprintf("-- gone for good (%s): after %s up to %s", g.Reason, g.After, g.Until)
}

// compareIDs orders decimal numbers without leading zeros.
func compareIDs(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) }
