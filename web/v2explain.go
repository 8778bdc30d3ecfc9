package web

import (
	"context"
	"net/http"
	"slices"
	"sync"

	"gopush/internal/push"
)

// The fates of a message.
const (
	fateStored   = "stored"   // it lives, and readers get it
	fateRecalled = "recalled" // its place is there
	fateDeleted  = "deleted"  // if there was one: all up to there was deleted
	fateExpired  = "expired"  // if there was one: what is left of it does not tell
	fateLimit    = "limit"    // older than the newest so many that are kept readable
	fateUnknown  = "unknown"  // nothing is or was stored under the id
)

// maxNewer is how far the newer messages of a key are counted.
const maxNewer = 100

// explanation is what is known of one message. Times are milliseconds since 1970.
type explanation struct {
	Key    push.Key `json:"key,omitempty"`
	Public bool     `json:"public,omitempty"`
	ID     string   `json:"id"`
	Fate   string   `json:"fate"`
	Now    int64    `json:"now"`      // by the clock that lives end by
	Given  int64    `json:"given_at"` // the time that the id counts to

	Message *storedMessage `json:"message,omitempty"` // what of it is stored
	Newest  string         `json:"newest"`            // id of the stream; "0": it has none
	Newer   *newer         `json:"newer,omitempty"`   // messages above it

	Moving      bool       `json:"moving,omitempty"`      // the key is on its way to another group
	Owner       *owner     `json:"owner,omitempty"`       // who serves the stream; none: nobody right now
	WrittenBy   *writer    `json:"written_by,omitempty"`  // if it can be told
	Connections *standings `json:"connections,omitempty"` // none: nobody has told
}

type storedMessage struct {
	Prev      string `json:"prev"`
	Bytes     int    `json:"bytes"`
	ExpiresAt int64  `json:"expires_at"`
}

type newer struct {
	Count int  `json:"count"`
	More  bool `json:"more"` // there are others, which were not counted
}

type owner struct {
	Node    string `json:"node"` // the group
	Address string `json:"address"`
	Epoch   int64  `json:"epoch"`
	Since   string `json:"since,omitempty"` // ids of the term are above this one; empty: not told

	floor push.ID // the same
}

type writer struct {
	Node  string `json:"node"`
	Epoch int64  `json:"epoch"`
}

// standings are the connections by where their cursors are from the id.
type standings struct {
	Total   int      `json:"total"`
	Reading int      `json:"reading"` // of them: behind the stream, and read from the store
	Before  int      `json:"before"`
	At      int      `json:"at"`
	Past    int      `json:"past"`
	Cursors []string `json:"cursors"`          // the lowest, ascending
	Silent  int      `json:"silent,omitempty"` // nodes that have not told

	lowest []push.ID // Cursors
}

// unexplained is the error for an id under which there is nothing: with what is known.
type unexplained struct {
	err   *push.Error
	known *explanation
}

func (e *unexplained) Error() string { return e.err.Error() }
func (e *unexplained) Unwrap() error { return e.err }

// getMessage answers GET /v2/messages/ID: what has become of a message.
func (s *Server) getMessage(w http.ResponseWriter, r *http.Request) error {
	key, err := stream(r)
	if err != nil {
		return err
	}
	id, err := push.ParseID(r.PathValue("id"))
	switch {
	case err != nil:
		return err
	case id == 0:
		return push.E(push.KindBadRequest, "0 is no message's id, but the place before the first one")
	}
	if err := s.servedHere(key); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.cfg.QueryTimeout)
	defer cancel()
	e := &explanation{
		Key: key, ID: id.String(), Now: s.deps.Now().UnixMilli(), Given: id.Time().UnixMilli(),
		Moving: s.deps.Directory.View().Moving(key),
	}
	if key.Public() {
		e.Key, e.Public = "", true
	}
	var asking sync.WaitGroup
	asking.Go(func() { s.askComets(ctx, e, key, id) })
	newest, err := s.askStore(ctx, e, key, id)
	asking.Wait()
	if err != nil {
		return readError(err)
	}
	if o := e.Owner; e.Message != nil && o != nil && o.floor > 0 && id > o.floor {
		e.WrittenBy = &writer{Node: o.Node, Epoch: o.Epoch}
	}
	if e.Fate == fateUnknown {
		return &unexplained{push.E(push.KindNotFound, "%s", absent(id, newest)), e}
	}
	return replyJSON(w, e)
}

// absent says why there can be nothing under an id.
func absent(id, newest push.ID) string {
	switch {
	case id%push.Step != 0:
		return "no message has this id, as every id is a multiple of 16; a digit may be missing or wrong"
	case newest == 0:
		return "the key has never had a message"
	case id > newest:
		return "the id is above the newest one of the key: nothing is stored under it yet"
	default:
		return "nothing is stored under this id, and nothing was: another key has it, or the message was transient or its push refused"
	}
}

// askStore fills in what message nodes know.
func (s *Server) askStore(ctx context.Context, e *explanation, key push.Key, id push.ID) (newest push.ID, err error) {
	span := s.span(id-1, 1)
	span.Until = id
	page, err := s.deps.Messages.Read(ctx, key, span)
	if err != nil {
		return 0, err
	}
	e.fate(&page, id)
	if newest, err = s.deps.Messages.Newest(ctx, key); err != nil {
		return 0, err
	}
	if e.Newest = newest.String(); id >= newest {
		e.Newer = &newer{}
		return newest, nil
	}
	above, err := s.deps.Messages.Read(ctx, key, s.span(id, maxNewer))
	if err != nil {
		return 0, err
	}
	e.Newer = &newer{Count: len(above.Messages), More: above.More}
	return newest, nil
}

// fate reads it off the page of the one id. A message that is there lives: pages leave
// out what does not.
func (e *explanation) fate(page *push.Page, id push.ID) {
	e.Fate = fateUnknown
	for _, g := range page.Gaps {
		if g.After < id && id <= g.Until {
			e.Fate = string(g.Reason) // they have the names of fates
		}
	}
	for i := range page.Messages {
		m := &page.Messages[i]
		if m.ID != id {
			continue
		}
		e.Fate = fateStored
		if m.Recalled {
			e.Fate = fateRecalled
		}
		e.Message = &storedMessage{Prev: m.Prev.String(), Bytes: len(m.Body), ExpiresAt: m.ExpiresAt}
	}
	// An id that none can be is in no gap either.
	if id%push.Step != 0 && e.Message == nil {
		e.Fate = fateUnknown
	}
}

// askComets fills in what comets know. Nothing of it is waited for long: what a key looks
// like while its node is away is asked for just then.
func (s *Server) askComets(ctx context.Context, e *explanation, key push.Key, id push.ID) {
	view := s.deps.Directory.View()
	g, served := view.Owner(key)
	if served {
		e.Owner = &owner{Node: g.Group, Address: g.RPC, Epoch: g.Epoch}
	}
	var to []string
	switch {
	case key.Public(): // each has connections of its own that take public messages
		for _, n := range view.Nodes {
			to = append(to, n.RPC)
		}
	case served:
		to = append(to, g.RPC)
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.StatusTimeout)
	defer cancel()
	told := make([]*push.KeyInfo, len(to))
	var all sync.WaitGroup
	for i, addr := range to {
		all.Go(func() {
			if info, err := s.deps.Comet(addr).Describe(ctx, key, id); err == nil {
				told[i] = &info
			}
		})
	}
	all.Wait()
	if len(told) == 0 {
		return
	}
	e.Connections = new(standings)
	for i, info := range told {
		e.Connections.add(info)
		if info != nil && to[i] == g.RPC && info.Epoch != 0 && info.Epoch == g.Epoch {
			e.Owner.Since, e.Owner.floor = info.Floor.String(), info.Floor
		}
	}
	e.Connections.list()
}

// add takes in what one comet has told; nil: nothing in time.
func (c *standings) add(info *push.KeyInfo) {
	if info == nil {
		c.Silent++
		return
	}
	c.Total += info.Connections
	c.Reading += info.Behind
	c.Before += info.Standing.Before
	c.At += info.Standing.At
	c.Past += info.Standing.Past
	c.lowest = append(c.lowest, info.Cursors...)
}

// list writes the lowest cursors of all.
func (c *standings) list() {
	slices.Sort(c.lowest)
	c.Cursors = make([]string, min(len(c.lowest), push.MaxCursors))
	for i := range c.Cursors {
		c.Cursors[i] = c.lowest[i].String()
	}
}
