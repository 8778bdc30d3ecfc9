package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"gopush/internal/push"
)

// explainCmd tells the life of one message.
type explainCmd struct {
	Key    string `arg:"" help:"Subscription key; with --public the id, and nothing after it."`
	ID     string `arg:"" optional:"" help:"Id of the message, as the push was answered."`
	Public bool   `help:"The message is a public one: gopush explain --public ID."`
	adminFlags
}

// explanation is what is known of a message, as the API has it. Times are in milliseconds
// since 1970.
type explanation struct {
	Key    push.Key `json:"key,omitempty"`
	Public bool     `json:"public,omitempty"`
	ID     string   `json:"id"`
	Fate   string   `json:"fate"`
	Now    int64    `json:"now"`
	Given  int64    `json:"given_at"`

	Message *storedMessage `json:"message,omitempty"`
	Newest  string         `json:"newest"`
	Newer   *newer         `json:"newer,omitempty"`

	Moving      bool       `json:"moving,omitempty"`
	Owner       *owner     `json:"owner,omitempty"`
	WrittenBy   *owner     `json:"written_by,omitempty"`
	Connections *standings `json:"connections,omitempty"`
}

type storedMessage struct {
	Prev      string `json:"prev"`
	Bytes     int    `json:"bytes"`
	ExpiresAt int64  `json:"expires_at"`
}

type newer struct {
	Count int  `json:"count"`
	More  bool `json:"more"`
}

// owner is a term of a group.
type owner struct {
	Node    string `json:"node"`
	Address string `json:"address,omitempty"`
	Epoch   int64  `json:"epoch"`
	Since   string `json:"since,omitempty"` // an id: those of the term are above it
}

// standings are the connections by where their cursors are from the message.
type standings struct {
	Total   int      `json:"total"`
	Reading int      `json:"reading"`
	Before  int      `json:"before"`
	At      int      `json:"at"`
	Past    int      `json:"past"`
	Cursors []string `json:"cursors"`
	Silent  int      `json:"silent,omitempty"`
}

// Run asks the admin API. Of an id under which there is nothing, what is known is printed
// before the command fails.
func (c *explainCmd) Run(ctx context.Context, cli *commands, s streams) error {
	id, query, err := c.target()
	if err != nil {
		return err
	}
	var e explanation
	err = c.ask(ctx, http.MethodGet, "/v2/messages/"+id, query, &e)
	if p, ok := errors.AsType[*problem](err); ok && p.Message != nil {
		if json.Unmarshal(p.Message, &e) != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	if cli.JSON {
		return errors.Join(writeJSON(s.out, e), err)
	}
	return errors.Join(e.print(s.out), err)
}

// target checks what is asked about.
func (c *explainCmd) target() (id string, query url.Values, err error) {
	id, query = c.ID, url.Values{"key": {c.Key}}
	switch {
	case c.Public && c.ID != "":
		return "", nil, usage("a public message has no key; write gopush explain --public %s", c.ID)
	case c.Public:
		id, query = c.Key, url.Values{"public": {"1"}}
	case c.ID == "":
		return "", nil, usage("give the key and the id of a message: gopush explain KEY ID")
	default:
		if _, err := push.ParseKey(c.Key); err != nil {
			return "", nil, usage("%w", err)
		}
	}
	n, err := push.ParseID(id)
	if err == nil && n == 0 {
		err = errors.New("0 is no message's id")
	}
	if err != nil {
		return "", nil, usage("%w", err)
	}
	return id, query, nil
}

// print tells it in the order in which it happens.
func (e *explanation) print(out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(what, format string, args ...any) {
		fmt.Fprintf(w, "  %s\t%s\n", what, fmt.Sprintf(format, args...))
	}
	to := string(e.Key)
	if e.Public {
		to = "everybody"
	}
	fmt.Fprintf(w, "%s to %s\n", e.ID, to)
	line("given", "%s, %s", moment(e.Given), e.ago(e.Given))
	if m := e.Message; m != nil && e.Fate == "stored" {
		line("stored", "%d bytes, after %s", m.Bytes, m.Prev)
	} else {
		line("fate", "%s", e.fate())
	}
	if e.Message != nil {
		line("written", "%s", e.writer())
	}
	line("place", "%s", e.place())
	line("delivered", "%s", e.delivered())
	if e.Message != nil && e.Fate == "stored" {
		line("expires", "%s, %s", moment(e.Message.ExpiresAt), e.ago(e.Message.ExpiresAt))
	}
	line("owner", "%s", e.owner())
	return w.Flush()
}

// fate says what the word of the API means, of a message that readers do not get.
func (e *explanation) fate() string {
	switch e.Fate {
	case "recalled":
		return "recalled: its place is kept, and nobody gets it"
	case "deleted":
		return "deleted, if there was one: all that the key had up to here was"
	case "expired":
		return "expired, if there was one: nothing of it is left"
	case "limit":
		return "out of reach: only the newest messages of a key are kept readable, and it is older"
	case "unknown":
		return "unknown: nothing is stored under this id, and nothing was"
	default:
		return e.Fate // of a newer server
	}
}

func (e *explanation) writer() string {
	switch {
	case e.WrittenBy != nil:
		return fmt.Sprintf("by %s in epoch %d, which still serves", e.WrittenBy.Node, e.WrittenBy.Epoch)
	case e.Owner != nil && e.Owner.Since != "":
		return "before the present term of its node, or before the key came there"
	default:
		return "by whom cannot be told while its node does not answer"
	}
}

func (e *explanation) place() string {
	switch {
	case e.Newest == "0":
		return "the stream has no message"
	case compareIDs(e.ID, e.Newest) > 0:
		return "above the newest, " + e.Newest
	case e.ID == e.Newest:
		return "the newest"
	case e.Newer == nil:
		return "the newest is " + e.Newest
	case e.Newer.More:
		return fmt.Sprintf("more than %d newer ones, up to %s", e.Newer.Count, e.Newest)
	case e.Newer.Count == 0:
		return "nothing above it can be read; ids went up to " + e.Newest
	default:
		return fmt.Sprintf("%d newer, up to %s", e.Newer.Count, e.Newest)
	}
}

// delivered goes by cursors: a connection that is at or past a message had it queued or
// written, or began behind it.
func (e *explanation) delivered() string {
	c := e.Connections
	switch {
	case c == nil:
		return "unknown: no node serves it right now"
	case c.Total == 0 && c.Silent > 0:
		return "unknown: its node does not answer"
	case c.Total == 0:
		return "nobody is connected"
	case c.Before+c.At+c.Past != c.Total:
		return fmt.Sprintf("unknown: of %d connections, its node is too old to tell more", c.Total)
	}
	text := fmt.Sprintf("%d of %d connections are at it or past it", c.At+c.Past, c.Total)
	if c.Before > 0 {
		text += fmt.Sprintf("; %d not yet", c.Before)
	}
	if c.Reading > 0 {
		text += fmt.Sprintf("; %d read from the store", c.Reading)
	}
	if c.Silent > 0 {
		text += fmt.Sprintf("; %d nodes do not answer", c.Silent)
	}
	return text
}

func (e *explanation) owner() string {
	switch {
	case e.Moving:
		return "the key is moving to another group"
	case e.Owner == nil:
		return "nobody serves it right now"
	}
	text := fmt.Sprintf("%s at %s, epoch %d", e.Owner.Node, e.Owner.Address, e.Owner.Epoch)
	if since, err := push.ParseID(e.Owner.Since); err == nil {
		text += " with ids from " + moment(since.Time().UnixMilli())
	}
	return text
}

// moment is a time as people read it.
func moment(ms int64) string {
	return time.UnixMilli(ms).UTC().Format("2006-01-02 15:04:05.000 UTC")
}

// ago is how far a time is from the server's clock.
func (e *explanation) ago(ms int64) string {
	if d := e.Now - ms; d >= 0 {
		return inWords(d) + " ago"
	}
	return "in " + inWords(ms-e.Now)
}

// inWords is a time in milliseconds by its two largest units.
func inWords(ms int64) string {
	units := []struct {
		name string
		ms   int64
	}{{"d", 86_400_000}, {"h", 3_600_000}, {"m", 60_000}, {"s", 1000}, {"ms", 1}}
	var parts []string
	for _, u := range units {
		if n := ms / u.ms; n > 0 || len(parts) > 0 {
			parts = append(parts, fmt.Sprint(n, u.name))
			ms -= n * u.ms
		}
		if len(parts) == 2 {
			break
		}
	}
	if len(parts) == 0 {
		return "0ms"
	}
	return strings.Join(parts, " ")
}
