package web

import (
	"cmp"
	"context"
	"net/http"
	"net/url"
	"strconv"

	"gopush/comet/wire"
	"gopush/internal/push"
)

// fetchPage is how many messages of a fetch are in memory at a time; pageBytes
// bounds them too.
const fetchPage = 256

// v1MsgGet answers with everything above the cursors in one reply, as a v1
// client asks once per connection. It is streamed: memory is bounded, the
// answer is not.
func (s *Server) v1MsgGet(f v1Form) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		callback, no := f.callbackName(q)
		if no != nil {
			f.reply(w, "", "", no)
			return
		}
		ask, no := f.fetchOf(q)
		if no != nil {
			f.reply(w, callback, "", no)
			return
		}
		// Clients of the 1.0 line send no token here: those that are to read where tokens
		// are required have to learn it. There is no return code for this, so it is that of
		// a bad parameter.
		if err := s.mayRead(cmp.Or(bearer(r), q.Get(f.token)), ask.key, ask.public); err != nil {
			ret := retParam
			if push.Is(err, push.KindStoreUnavailable) { // it is not known yet what is revoked
				ret = retInternal
			}
			f.reply(w, callback, "", &refusal{ret: ret, err: err})
			return
		}
		if s.getOld(w, r, f, ask.key) {
			return
		}
		buf := s.buffer()
		defer s.release(buf)
		out := &fetch{form: f, callback: callback, public: ask.public, buf: (*buf)[:0], out: newChunks(w, s.cfg.WriteTimeout)}
		err := s.fetchAll(r.Context(), ask, out)
		*buf = out.buf
		if err == nil {
			return
		}
		if out.out.sent {
			// Half of a list must not look like the whole of it.
			note(w, err)
			panic(http.ErrAbortHandler)
		}
		f.reply(w, callback, "", &refusal{ret: retInternal, err: readError(err)})
	}
}

// fetchAsk is what a fetch is about.
type fetchAsk struct {
	key         push.Key
	after       push.ID
	public      bool // the public messages above publicAfter too
	publicAfter push.ID
}

// fetchOf reads the parameters. An empty public cursor counts as none, as old
// clients send one that they do not have.
func (f v1Form) fetchOf(q url.Values) (ask fetchAsk, no *refusal) {
	if ask.key, no = f.keyOf(q); no != nil {
		return ask, no
	}
	if ask.after, no = v1Cursor(q, f.cursor); no != nil {
		return ask, no
	}
	if q.Get(f.public) != "" {
		ask.public = true
		ask.publicAfter, no = v1Cursor(q, f.public)
	}
	return ask, no
}

// v1Cursor reads a mid. That a negative one is an internal error is how protocol
// v1 has it.
func v1Cursor(q url.Values, name string) (push.ID, *refusal) {
	n, err := strconv.ParseInt(q.Get(name), 10, 64)
	switch {
	case err != nil:
		return 0, refuse(retParam, "the parameter %s must be an integer, the last mid that was received", name)
	case n < 0:
		return 0, refuse(retInternal, "the parameter %s must not be negative", name)
	}
	return push.ID(n), nil
}

// fetchAll writes the private messages, then the public ones if they were asked
// for: the order of msgs and pmsgs in the reply.
func (s *Server) fetchAll(ctx context.Context, ask fetchAsk, out *fetch) error {
	if err := s.fetchStream(ctx, ask.key, ask.after, out); err != nil {
		return err
	}
	if ask.public {
		out.second = true
		if err := s.fetchStream(ctx, push.PublicKey, ask.publicAfter, out); err != nil {
			return err
		}
	}
	return out.finish()
}

// fetchStream pages through one stream. A stream that grows meanwhile does not
// make the reply endless: it ends at what was the newest id after the first page.
func (s *Server) fetchStream(ctx context.Context, key push.Key, after push.ID, out *fetch) error {
	span := s.span(after, fetchPage)
	for {
		page, err := s.readPage(ctx, key, span)
		if err != nil {
			return err
		}
		for i := range page.Messages {
			if page.Messages[i].Recalled {
				continue
			}
			if err := out.add(&page.Messages[i]); err != nil {
				return err
			}
		}
		if !page.More {
			return nil
		}
		// Never true of a sound message node; an endless reply would be worse
		// than a failed one.
		if page.Next <= span.After {
			return push.E(push.KindInternal, "a page of messages does not move its cursor")
		}
		if span.Until == 0 {
			if span.Until, err = s.newest(ctx, key); err != nil {
				return err
			}
		}
		span.After = page.Next
		if span.After >= span.Until {
			return nil
		}
	}
}

// readPage gives each page its own time: a long reply may take as long as its
// reader needs.
func (s *Server) readPage(ctx context.Context, key push.Key, span push.Span) (push.Page, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.QueryTimeout)
	defer cancel()
	return s.deps.Messages.Read(ctx, key, span)
}

// newest asks for the id at which a long fetch may end.
func (s *Server) newest(ctx context.Context, key push.Key) (push.ID, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.QueryTimeout)
	defer cancel()
	return s.deps.Messages.Newest(ctx, key)
}

// fetch writes the reply of a fetch as its messages come. Its shape depends on
// whether there are any, so nothing is written before the first one.
type fetch struct {
	form     v1Form
	callback string
	public   bool // pmsgs was asked for
	second   bool // the messages that come now are public
	out      *chunks
	buf      []byte
	scratch  []byte // a message before it is quoted
	private  int    // how many of each were written
	publics  int
	opened   bool // data has begun
	turned   bool // pmsgs has begun
}

// add appends one message, and sends what has gathered once it is a chunk.
func (f *fetch) add(m *push.Message) error {
	f.open()
	n := &f.private
	if f.second {
		f.turn()
		n = &f.publics
	}
	if *n > 0 {
		f.buf = append(f.buf, ',')
	}
	*n++
	if f.form.plain {
		f.scratch = wire.AppendV1(f.scratch[:0], m, f.second, false)
		f.buf = appendAgain(f.buf, f.scratch)
	} else {
		f.buf = wire.AppendV1(f.buf, m, f.second, true)
	}
	if len(f.buf) < chunkSize {
		return nil
	}
	if !f.out.sent {
		f.out.w.Header().Set("Content-Type", contentType(f.callback))
	}
	_, err := f.out.Write(f.buf)
	f.buf = f.buf[:0]
	return err
}

// open begins data, at the first message of either stream.
func (f *fetch) open() {
	if !f.opened {
		f.opened = true
		f.buf = append(f.form.open(f.buf, f.callback), `"data":{"msgs":[`...)
	}
}

// turn ends msgs and begins pmsgs.
func (f *fetch) turn() {
	if !f.turned {
		f.turned = true
		f.buf = append(f.buf, `],"pmsgs":[`...)
	}
}

// finish ends the reply. Only here does it become whole JSON.
func (f *fetch) finish() error {
	if f.opened {
		// Replies without a version always have both lists.
		if f.public || f.form.plain {
			f.turn()
		}
		f.buf = append(f.buf, `]},`...)
	} else {
		f.buf = f.form.open(f.buf, f.callback)
	}
	f.buf = f.form.end(f.buf, f.callback, retOK)
	if !f.out.sent {
		f.out.w.Header().Set("Content-Type", contentType(f.callback))
	}
	return f.out.finish(f.buf)
}

// appendAgain quotes JSON text as a JSON string. The text came out of
// wire.AppendV1: HTML is escaped in it and control characters are not there, so
// only quotes and backslashes need another backslash.
func appendAgain(dst, text []byte) []byte {
	dst = append(dst, '"')
	for _, c := range text {
		if c == '"' || c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}
