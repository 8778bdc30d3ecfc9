package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode/utf8"
)

// topCmd shows what the nodes do, and which keys are busiest, again and again.
type topCmd struct {
	Interval time.Duration `help:"How often to look." default:"1s"`
	Once     bool          `help:"Show one table, after one interval, and end."`
	Keys     int           `help:"How many of the busiest keys to show, 0 to 100." default:"10" placeholder:"N"`
	adminFlags
}

// sight is what one look at the cluster shows, and one line of --json.
type sight struct {
	At     int64     `json:"at"` // milliseconds since 1970, by the clock of this machine
	Nodes  []topNode `json:"nodes"`
	Keys   []busyKey `json:"keys"`
	Silent []string  `json:"silent,omitempty"` // comets that did not tell of their keys

	asked time.Time // on the monotonic clock
}

// topNode is a node and what it did since the look before.
type topNode struct {
	node
	Rates *rates `json:"rates,omitempty"` // none: it has not been counted twice
}

// rates are of one interval; nil: there is none, or nothing to take it of.
type rates struct {
	Pushes     *float64 `json:"pushes_per_second,omitempty"`
	Deliveries *float64 `json:"deliveries_per_second,omitempty"`
	Save       *float64 `json:"save_seconds,omitempty"` // what one call of the store took
	Read       *float64 `json:"read_seconds,omitempty"`
}

// counts are what a node has done since it began; nil: it does not do such things.
type counts struct {
	Pushes     *int64 `json:"pushes,omitempty"`
	Deliveries *int64 `json:"deliveries,omitempty"`
	Behind     *int64 `json:"behind,omitempty"` // right now

	Saves       *int64   `json:"saves,omitempty"`
	SaveSeconds *float64 `json:"save_seconds,omitempty"`
	Reads       *int64   `json:"reads,omitempty"`
	ReadSeconds *float64 `json:"read_seconds,omitempty"`
}

// busyKey is pushed to at least and at most so many times a second.
type busyKey struct {
	Key         string  `json:"key,omitempty"`
	Public      bool    `json:"public,omitempty"`
	Node        string  `json:"node"`
	Least       float64 `json:"least"`
	Most        float64 `json:"most"`
	Connections int     `json:"connections"`
}

// Run looks until Ctrl-C, or q at a terminal. A server that is away for a while is waited
// for, once it has answered.
func (c *topCmd) Run(ctx context.Context, cli *commands, s streams) error {
	switch {
	case c.Interval < 100*time.Millisecond:
		return usage("--interval is %s; it must be at least 100ms", c.Interval)
	case c.Keys < 0 || c.Keys > 100:
		return usage("--keys is %d; it must be 0 to 100", c.Keys)
	}
	last, err := c.look(ctx, nil)
	if err != nil {
		return err
	}
	t, err := c.terminal(cli, s)
	if err != nil {
		return err
	}
	defer t.close()
	if t.live() {
		err = t.show(c.title() + last.text())
	}
	for err == nil && !t.wait(ctx, last.asked.Add(c.Interval)) {
		next, failed := c.look(ctx, last)
		if ctx.Err() != nil {
			break
		}
		switch {
		case failed != nil && c.Once:
			return failed
		case failed != nil:
			last = &sight{asked: time.Now()}
			err = t.fail(failed, c.title())
			continue
		case cli.JSON:
			err = writeJSON(s.out, next)
		case t.live():
			err = t.show(c.title() + next.text())
		default:
			_, err = s.out.Write([]byte(next.text() + "\n"))
		}
		if last = next; c.Once {
			return err
		}
	}
	if err == nil && ctx.Err() != nil {
		return errInterrupted
	}
	return err
}

// terminal is the one that is refreshed, if a person looks.
func (c *topCmd) terminal(cli *commands, s streams) (*screen, error) {
	if cli.JSON || c.Once {
		return &screen{err: s.err}, nil
	}
	return openTerminal(s)
}

func (c *topCmd) title() string {
	return fmt.Sprintf("gopush top  %s  %s  every %s; q ends\n\n", c.Admin, time.Now().UTC().Format("15:04:05 UTC"), c.Interval)
}

// look asks once. Rates are of the time since last; nil: there are none.
func (c *topCmd) look(ctx context.Context, last *sight) (*sight, error) {
	now := &sight{asked: time.Now()} // a node is asked right after that, however long another one takes
	now.At = now.asked.UnixMilli()
	if err := c.ask(ctx, http.MethodGet, "/v2/nodes", nil, now); err != nil {
		return nil, err
	}
	now.Keys = []busyKey{}
	if c.Keys > 0 {
		if err := c.ask(ctx, http.MethodGet, "/v2/top", url.Values{"limit": {strconv.Itoa(c.Keys)}}, now); err != nil && !isOlder(err) {
			return nil, err
		}
	}
	if last != nil {
		now.compare(last)
	}
	return now, nil
}

// isOlder reports whether the server does not know what it was asked.
func isOlder(err error) bool {
	p, ok := errors.AsType[*problem](err)
	return ok && p.Status == http.StatusNotFound
}

// compare gives each node its rates.
func (now *sight) compare(last *sight) {
	seconds := now.asked.Sub(last.asked).Seconds()
	before := make(map[string]*counts, len(last.Nodes))
	for i := range last.Nodes {
		before[last.Nodes[i].identity()] = last.Nodes[i].Counts
	}
	for i := range now.Nodes {
		n := &now.Nodes[i]
		n.Rates = ratesOf(before[n.identity()], n.Counts, seconds)
	}
}

// identity is the same for a node as long as it lives.
func (n *node) identity() string { return n.Role + " " + n.ID + " " + n.Address }

// ratesOf is nil where a node has begun anew, or told nothing.
func ratesOf(was, is *counts, seconds float64) *rates {
	if was == nil || is == nil || seconds <= 0 || smaller(is.Pushes, was.Pushes) || smaller(is.Saves, was.Saves) || smaller(is.Reads, was.Reads) {
		return nil
	}
	return &rates{
		Pushes: each(is.Pushes, was.Pushes, seconds), Deliveries: each(is.Deliveries, was.Deliveries, seconds),
		Save: mean(is.SaveSeconds, was.SaveSeconds, is.Saves, was.Saves), Read: mean(is.ReadSeconds, was.ReadSeconds, is.Reads, was.Reads),
	}
}

func smaller(is, was *int64) bool { return is != nil && was != nil && *is < *was }

// each is how many there were a second.
func each(is, was *int64, seconds float64) *float64 {
	if is == nil || was == nil {
		return nil
	}
	return new(float64(*is-*was) / seconds)
}

// mean is what one of them took.
func mean(is, was *float64, n, before *int64) *float64 {
	if is == nil || was == nil || n == nil || before == nil || *n == *before {
		return nil
	}
	return new((*is - *was) / float64(*n-*before))
}

// text is the two tables.
func (now *sight) text() string {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ROLE\tGROUP\tSTATE\tVERSION\tCONNECTIONS\tBEHIND\tIN-FLIGHT\tPUSHES/S\tDELIVERIES/S\tSAVE\tREAD\tADDRESS")
	for i := range now.Nodes {
		fmt.Fprintln(w, strings.Join(now.Nodes[i].row(), "\t"))
	}
	_ = w.Flush() // to memory
	if len(now.Keys) > 0 {
		fmt.Fprintln(w, "\nKEY\tPUSHES/S\tCONNECTIONS\tNODE")
	}
	for _, k := range now.Keys {
		name := shorten(k.Key)
		if k.Public {
			name = "(public messages)"
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\n", name, bounds(k.Least, k.Most), k.Connections, k.Node)
	}
	_ = w.Flush()
	if len(now.Silent) > 0 {
		fmt.Fprintf(&b, "\nwithout the keys of %s, which did not answer\n", strings.Join(now.Silent, ", "))
	}
	return b.String()
}

// row has a dash for what there is not.
func (n *topNode) row() []string {
	of := n.columns() // as gopush nodes shows them
	behind, r := "-", n.Rates
	if n.Counts != nil && n.Counts.Behind != nil {
		behind = strconv.FormatInt(*n.Counts.Behind, 10)
	}
	if r == nil {
		r = new(rates)
	}
	return []string{of[0], of[1], of[2], of[6], of[4], behind, of[5], number(r.Pushes), number(r.Deliveries), took(r.Save), took(r.Read), of[7]}
}

// number has three digits, or more if there are as many before the point.
func number(v *float64) string {
	switch {
	case v == nil:
		return "-"
	case *v >= 100 || *v == 0:
		return strconv.FormatFloat(*v, 'f', 0, 64)
	case *v >= 10:
		return strconv.FormatFloat(*v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(*v, 'f', 2, 64)
	}
}

func took(seconds *float64) string {
	if seconds == nil {
		return "-"
	}
	return time.Duration(*seconds * float64(time.Second)).Round(10 * time.Microsecond).String()
}

// bounds is one number where both look alike.
func bounds(least, most float64) string {
	low, high := number(&least), number(&most)
	if low == high {
		return low
	}
	return low + " to " + high
}

// longestKey is what the table shows of a key, in characters.
const longestKey = 40

func shorten(key string) string {
	if utf8.RuneCountInString(key) <= longestKey {
		return key
	}
	return string([]rune(key)[:longestKey-1]) + "…"
}
