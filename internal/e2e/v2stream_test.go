package e2e

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// transports open the same v2 stream in two ways.
var transports = map[string]func(ctx context.Context, c *Cluster, query string) (Stream, error){
	"websocket": func(ctx context.Context, c *Cluster, query string) (Stream, error) {
		return DialStream(ctx, c.Addrs().HTTP, query)
	},
	"sse": func(ctx context.Context, c *Cluster, query string) (Stream, error) {
		return DialEvents(ctx, c.Addrs().HTTP, query, "")
	},
}

// listenV2 opens a stream that ends with its test.
func listenV2(t *testing.T, c *Cluster, transport, query string) Stream {
	t.Helper()
	s, err := transports[transport](t.Context(), c, query)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// next reads a frame and compares its JSON, byte for byte. A stream may say once
// more that it is live, when it had fallen behind for a moment.
func next(t *testing.T, s Stream, want string) StreamFrame {
	t.Helper()
	f, err := s.Next(10 * time.Second)
	for err == nil && f.Type == "live" && want != liveJSON {
		f, err = s.Next(10 * time.Second)
	}
	if err != nil {
		t.Fatalf("got %v; want %s", err, want)
	}
	if f.Raw != want {
		t.Fatalf("got  %s\nwant %s", f.Raw, want)
	}
	return f
}

// push is a push that has to work.
func push(t *testing.T, c *Cluster, m Message) string {
	t.Helper()
	o := c.API.Push(t.Context(), m)
	if o.State != Acked {
		t.Fatalf("push of %s: %+v", m.JSON(), o)
	}
	return strconv.FormatInt(o.ID, 10)
}

func readyJSON(key, cursor, public string, resumed bool) string {
	return fmt.Sprintf(`{"type":"ready","key":%q,"node":"node1","cursor":%q,"public_cursor":%q,"resumed":%v,"heartbeat_s":30}`, key, cursor, public, resumed)
}

const liveJSON = `{"type":"live"}`

// messageJSON is a stored message that expires at a time the test gave.
func messageJSON(id, prev, data string) string {
	return fmt.Sprintf(`{"type":"message","id":%q,"prev":%q,"data":%s,"expires_at":4102444800000}`, id, prev, data)
}

func publicJSON(id, prev, data string) string {
	return strings.TrimSuffix(messageJSON(id, prev, data), "}") + `,"public":true}`
}

// lasting is a message that lives until the year 2100.
func lasting(key, data string) Message {
	return Message{Key: key, Data: []byte(data), ExpiresAt: 4102444800000}
}

// A stream from beginning to end: ready, live, messages of both streams, a resume
// in the middle; the same frames over each transport.
func TestV2Stream(t *testing.T) {
	for name := range transports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := Start(t, Options{})
			// "`ready.cursor` without `after` is the newest id, "0" when the key has none",
			// "live is always sent, also after an empty replay".
			s := listenV2(t, c, name, "key=K")
			next(t, s, readyJSON("K", "0", "0", false))
			next(t, s, liveJSON)
			// "The first message of a key has prev "0"."
			one := push(t, c, lasting("K", `{"n": 1}`))
			next(t, s, messageJSON(one, "0", `{"n":1}`))
			two := push(t, c, lasting("K", `"<&>"`))
			next(t, s, messageJSON(two, one, `"<&>"`))
			all := push(t, c, lasting("", `"all"`))
			next(t, s, publicJSON(all, "0", `"all"`))
			// Online-only: "`transient":true`, and no cursor moves".
			passing := push(t, c, Message{Key: "K", Data: Text("now"), Transient: true})
			next(t, s, fmt.Sprintf(`{"type":"message","id":%q,"prev":%q,"data":"now","transient":true}`, passing, two))
			three := push(t, c, lasting("K", `3`))
			next(t, s, messageJSON(three, two, `3`))

			late := listenV2(t, c, name, "key=K")
			next(t, late, readyJSON("K", three, all, false))
			next(t, late, liveJSON)

			again := listenV2(t, c, name, Cursors{After: one, Public: "0"}.Query("K"))
			next(t, again, readyJSON("K", one, "0", true))
			next(t, again, messageJSON(two, one, `"<&>"`))
			next(t, again, messageJSON(three, two, `3`))
			next(t, again, publicJSON(all, "0", `"all"`))
			next(t, again, liveJSON)

			// "`public=0` works for SSE too."
			alone := listenV2(t, c, name, "key=K&after=0&public=0")
			if f := mustNext(t, alone); f.Type != "ready" || f.Cursor != "0" || !f.Resumed {
				t.Errorf("ready is %s", f.Raw)
			}
			next(t, alone, messageJSON(one, "0", `{"n":1}`))
			next(t, alone, messageJSON(two, one, `"<&>"`))
			next(t, alone, messageJSON(three, two, `3`))
			next(t, alone, liveJSON)
			push(t, c, lasting("", `"not for all"`))
			four := push(t, c, lasting("K", `4`))
			next(t, alone, messageJSON(four, three, `4`))
		})
	}
}

func mustNext(t *testing.T, s Stream) StreamFrame {
	t.Helper()
	f, err := s.Next(10 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// awaitBroadcast waits until the comet, which follows the public stream, has heard
// of a broadcast: before that, a new connection gets it after its live frame.
func awaitBroadcast(t *testing.T, c *Cluster, id string) {
	t.Helper()
	Until(t, 10*time.Second, "the broadcast to arrive", func() (bool, string) {
		probe := listenV2(t, c, "sse", "key=probe")
		defer probe.Close()
		f := mustNext(t, probe)
		return f.PublicCursor == id, f.Raw
	})
}

// SSE: "`id:` is ID/PID (both cursors)", "`Last-Event-ID` wins".
func TestV2LastEventID(t *testing.T) {
	c := Start(t, Options{})
	one := push(t, c, lasting("K", `1`))
	all := push(t, c, lasting("", `"a"`))
	awaitBroadcast(t, c, all)
	s := listenV2(t, c, "sse", "key=K&after=0&public_after=0")
	for i, want := range []string{"0/0", one + "/0", one + "/" + all, ""} {
		if f := mustNext(t, s); f.EventID != want {
			t.Errorf("event %d (%s) has the id %q, want %q", i, f.Type, f.EventID, want)
		}
	}
	two := push(t, c, lasting("K", `2`))
	if f := mustNext(t, s); f.EventID != two+"/"+all {
		t.Errorf("a live event has the id %q, want %s/%s", f.EventID, two, all)
	}
	resumed, err := DialEvents(t.Context(), c.Addrs().HTTP, "key=K&after=0&public_after=0", one+"/"+all)
	if err != nil {
		t.Fatal(err)
	}
	defer resumed.Close()
	next(t, resumed, readyJSON("K", one, all, true))
	next(t, resumed, messageJSON(two, one, `2`))
	next(t, resumed, liveJSON)
	for _, bad := range []string{"x", "1", "/", "1/", "-1/0", "1/2/3", "99999999999999999999/0"} {
		_, err := DialEvents(t.Context(), c.Addrs().HTTP, "key=K", bad)
		if e, ok := errors.AsType[*StatusError](err); !ok || e.Status != 400 {
			t.Errorf("Last-Event-ID %q: %v, want 400", bad, err)
		}
	}
}

// "recall: ordered like a message", "moves no cursor, reaches live readers, may be
// repeated on resume; the recalled message is not replayed".
func TestV2Recall(t *testing.T) {
	for name := range transports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := Start(t, Options{})
			s := listenV2(t, c, name, "key=K")
			next(t, s, readyJSON("K", "0", "0", false))
			next(t, s, liveJSON)
			one, two := push(t, c, lasting("K", `1`)), push(t, c, lasting("K", `2`))
			next(t, s, messageJSON(one, "0", `1`))
			next(t, s, messageJSON(two, one, `2`))
			recall(t, c, "K", one)
			recall(t, c, "K", one) // again is fine
			next(t, s, fmt.Sprintf(`{"type":"recall","id":%q}`, one))
			all := push(t, c, lasting("", `"a"`))
			skipRecalls(t, s, one, publicJSON(all, "0", `"a"`))
			recall(t, c, "", all)
			skipRecalls(t, s, one, fmt.Sprintf(`{"type":"recall","id":%q,"public":true}`, all))

			again := listenV2(t, c, name, "key=K&after=0&public_after=0")
			next(t, again, readyJSON("K", "0", "0", true))
			for f := mustNext(t, again); f.Type != "live"; f = mustNext(t, again) {
				if f.Type == "message" && f.ID != two {
					t.Errorf("replayed: %s", f.Raw)
				}
			}
			if page, err := c.API.Messages(t.Context(), "K", "0", "0", 0); err != nil || len(page.Messages) != 1 || page.Messages[0].ID != two || len(page.Public.Messages) != 0 || page.Next != two {
				t.Errorf("read: %+v, %v", page, err)
			}
			if o := c.API.Recall(t.Context(), "K", 16); o.Code != "not_found" {
				t.Errorf("recall of nothing: %+v", o)
			}
		})
	}
}

// skipRecalls reads to the wanted frame over repeated recalls of an id.
func skipRecalls(t *testing.T, s Stream, id, want string) {
	t.Helper()
	for {
		f := mustNext(t, s)
		if f.Type == "recall" && f.ID == id || f.Type == "live" {
			continue
		}
		if f.Raw != want {
			t.Fatalf("got  %s\nwant %s", f.Raw, want)
		}
		return
	}
}

func recall(t *testing.T, c *Cluster, key, id string) {
	t.Helper()
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	if o := c.API.Recall(t.Context(), key, n); o.State != Acked {
		t.Fatalf("recall: %+v", o)
	}
}

// "gap: what lay between is gone for good", with its reason; "`after=0` never gets a
// gap frame".
func TestV2Gap(t *testing.T) {
	c := Start(t, Options{})
	one, two := push(t, c, lasting("K", `1`)), push(t, c, lasting("K", `2`))
	if o := c.API.DeleteKey(t.Context(), "K"); o.State != Acked {
		t.Fatalf("delete: %+v", o)
	}
	three := push(t, c, lasting("K", `3`))
	gap := fmt.Sprintf(`{"type":"gap","after":%q,"until":%q,"reason":"deleted"}`, one, two)
	for name := range transports {
		t.Run(name, func(t *testing.T) {
			s := listenV2(t, c, name, Cursors{After: one, Public: "0"}.Query("K"))
			next(t, s, readyJSON("K", one, "0", true))
			f := next(t, s, gap)
			if name == "sse" && f.EventID != two+"/0" {
				t.Errorf("the gap has the id %q", f.EventID)
			}
			next(t, s, messageJSON(three, two, `3`))
			next(t, s, liveJSON)

			s = listenV2(t, c, name, "key=K&after=0&public=0")
			_ = mustNext(t, s)
			next(t, s, messageJSON(three, two, `3`))
			next(t, s, liveJSON)
		})
	}
	page, err := c.API.Messages(t.Context(), "K", one, "", 0)
	if err != nil || page.Gap == nil || page.Gap.Reason != "deleted" || page.Gap.Until != two || len(page.Messages) != 1 {
		t.Errorf("read: %+v, %v", page, err)
	}
}

// A reader from the beginning is told of no gap on later pages either, over a
// history that takes several.
func TestV2NoGapFromTheBeginning(t *testing.T) {
	c := Start(t, Options{})
	var batch strings.Builder
	for i := range 300 {
		m := Message{Key: "K", Data: Text(fmt.Sprint(i)), TTL: 600}
		if i%3 == 1 {
			m = Message{Key: "K", Data: Text(fmt.Sprint(i)), ExpiresAt: c.Now().Add(time.Hour).UnixMilli()}
		}
		batch.WriteString(m.JSON() + "\n")
	}
	pushBatch(t, c, batch.String(), 300)
	c.Step(30 * time.Minute) // the 600 s ones are over
	for name := range transports {
		s := listenV2(t, c, name, "key=K&after=0&public=0")
		frames, err := ReadUntil(s, "live", 20*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		messages := 0
		for _, f := range frames {
			switch f.Type {
			case "gap":
				t.Errorf("%s: a reader from 0 is told of %s", name, f.Raw)
			case "message":
				messages++
			}
		}
		if messages != 100 {
			t.Errorf("%s: %d messages of 100", name, messages)
		}
	}
}

// pushBatch pushes lines that all have to work.
func pushBatch(t *testing.T, c *Cluster, lines string, want int) {
	t.Helper()
	res, err := c.API.Admin(t.Context(), "POST", "/v2/messages/batch", lines, "Content-Type", "application/x-ndjson")
	if err != nil || res.Status != 200 || strings.Count(res.Body, `"id"`) != want {
		t.Fatalf("batch: %d of %d, %.300s, %v", strings.Count(res.Body, `"id"`), want, res.Body, err)
	}
}
