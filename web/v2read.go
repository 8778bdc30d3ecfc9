package web

import (
	"context"
	"net/http"
	"slices"
	"strconv"

	"gopush/internal/push"
)

// Bounds of a v2 page.
const (
	defaultLimit = 100
	maxLimit     = 1000
	// pageBytes ends a page early: what one reply may hold in memory.
	pageBytes = 1 << 20
)

// getMessages answers GET /v2/messages: one page of a key's stored messages and,
// when asked for, one of the public ones.
func (s *Server) getMessages(w http.ResponseWriter, r *http.Request) error {
	q, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return err
	}
	key, err := q.key()
	if err != nil {
		return err
	}
	after, err := q.cursor("after")
	if err != nil {
		return err
	}
	publicAfter, err := q.cursor("public_after")
	if err != nil {
		return err
	}
	limit, err := q.limit(defaultLimit, maxLimit)
	if err != nil {
		return err
	}
	if err := s.mayRead(bearer(r), key, q.Has("public_after")); err != nil {
		return err
	}
	if err := s.servedHere(key); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.cfg.QueryTimeout)
	defer cancel()
	buf := s.buffer()
	defer s.release(buf)
	if *buf, err = s.appendPage(ctx, append(*buf, '{'), key, after, limit); err != nil {
		return err
	}
	if q.Has("public_after") {
		if *buf, err = s.appendPage(ctx, append(*buf, `,"public":{`...), push.PublicKey, publicAfter, limit); err != nil {
			return err
		}
		*buf = append(*buf, '}')
	}
	*buf = append(*buf, '}', '\n')
	reply(w, http.StatusOK, "application/json", *buf)
	return nil
}

// appendPage reads one page and appends its members, without the braces.
func (s *Server) appendPage(ctx context.Context, dst []byte, key push.Key, after push.ID, limit int) ([]byte, error) {
	page, err := s.deps.Messages.Read(ctx, key, s.span(after, limit))
	if err != nil {
		return dst, readError(err)
	}
	if after == 0 {
		// Who reads from the beginning asks for what is still there, and has
		// missed nothing.
		page.Gaps = nil
	}
	cutAtSecondGap(&page)
	dst = append(dst, `"messages":[`...)
	comma := false
	for i := range page.Messages {
		if page.Messages[i].Recalled {
			continue // its place passes with next
		}
		if comma {
			dst = append(dst, ',')
		}
		dst, comma = appendMessage(dst, &page.Messages[i]), true
	}
	dst = append(dst, `],"next":`...)
	dst = appendID(dst, page.Next)
	dst = append(dst, `,"more":`...)
	dst = strconv.AppendBool(dst, page.More)
	if len(page.Gaps) > 0 {
		dst = appendGap(append(dst, `,"gap":`...), page.Gaps[0])
	}
	return dst, nil
}

// cutAtSecondGap ends a page before its second gap, as the reply has room for
// one; the reader meets the other on the next page.
func cutAtSecondGap(page *push.Page) {
	if len(page.Gaps) < 2 {
		return
	}
	end := page.Gaps[1].After
	n, _ := slices.BinarySearchFunc(page.Messages, end+1, func(m push.Message, id push.ID) int {
		return int(min(max(m.ID-id, -1), 1))
	})
	page.Messages, page.Gaps = page.Messages[:n], page.Gaps[:1]
	page.Next, page.More = end, true
}

// appendMessage appends one message as protocol v2 shows it to readers.
func appendMessage(dst []byte, m *push.Message) []byte {
	dst = appendID(append(dst, `{"id":`...), m.ID)
	dst = appendID(append(dst, `,"prev":`...), m.Prev)
	dst = append(append(dst, `,"data":`...), m.Body...)
	dst = strconv.AppendInt(append(dst, `,"expires_at":`...), m.ExpiresAt, 10)
	return append(dst, '}')
}

// appendGap appends what is gone for good.
func appendGap(dst []byte, g push.Gap) []byte {
	dst = appendID(append(dst, `{"after":`...), g.After)
	dst = appendID(append(dst, `,"until":`...), g.Until)
	dst = appendQuoted(append(dst, `,"reason":`...), string(g.Reason))
	return append(dst, '}')
}

// appendID appends an id as a string, as JavaScript's numbers are no integers.
func appendID(dst []byte, id push.ID) []byte {
	dst = strconv.AppendInt(append(dst, '"'), int64(id), 10)
	return append(dst, '"')
}

// maxPooled is the largest buffer that waits for its next use.
const maxPooled = 256 << 10

// buffer lends an empty buffer for a reply; it goes back with release.
func (s *Server) buffer() *[]byte {
	buf, ok := s.buffers.Get().(*[]byte)
	if !ok {
		return new([]byte)
	}
	return buf
}

// release takes a buffer back, unless one long reply has made it large: those
// would stay at their largest for ever.
func (s *Server) release(buf *[]byte) {
	if cap(*buf) <= maxPooled {
		*buf = (*buf)[:0]
		s.buffers.Put(buf)
	}
}
