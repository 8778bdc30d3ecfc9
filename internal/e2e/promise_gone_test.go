package e2e

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"testing"
	"time"
)

// big is a body of 48 KiB that begins with a number.
func big(i int) []byte { return fmt.Appendf(nil, `"%06d%s"`, i, strings.Repeat("x", 48<<10)) }

// numberOf is the number of a body that big made.
func numberOf(data []byte) int {
	n, err := strconv.Atoi(string(data[1:7]))
	if err != nil {
		return -1
	}
	return n
}

// flood pushes n big messages, which is far more than sockets hold, and returns
// their ids.
func flood(t *testing.T, c *Cluster, key string, n int, shape func(*Message)) []string {
	t.Helper()
	ids := make([]string, n)
	for i := range n {
		m := lasting(key, string(big(i)))
		if shape != nil {
			shape(&m)
		}
		ids[i] = push(t, c, m)
	}
	return ids
}

const flooding = 400 // 19 MB: more than the socket buffers of both sides

// readRest reads a stalled v2 stream until the message that the test pushed last.
func readRest(t *testing.T, r *StalledReader, last string) []StreamFrame {
	t.Helper()
	s, err := r.V2()
	if err != nil {
		t.Fatal(err)
	}
	var frames []StreamFrame
	for {
		f, err := s.Next(20 * time.Second)
		if err != nil {
			t.Fatalf("after %d frames: %v", len(frames), err)
		}
		frames = append(frames, f)
		if f.Type == "message" && f.ID == last {
			return frames
		}
	}
}

func stalled(t *testing.T, c *Cluster, kind ReaderKind, key string) *StalledReader {
	t.Helper()
	r, err := DialStalled(t.Context(), c, kind, key)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// P7: gone is gone, also for a reader that was stalled when it happened: what had
// not been written to its socket is not delivered after the messages expired, or
// after their deletion was acknowledged; it is told of the gap instead.
//
// Broken once by leaving out the check of expiry on read: all of the expired
// messages came to who resumed.
func TestP7GoneIsGone(t *testing.T) {
	endings := map[string]struct {
		reason string
		shape  func(c *Cluster, m *Message)
		end    func(t *testing.T, c *Cluster, key string, ids []string)
	}{
		"expired": {
			"expired",
			func(c *Cluster, m *Message) { m.ExpiresAt = c.Now().Add(time.Hour).UnixMilli() },
			func(_ *testing.T, c *Cluster, _ string, _ []string) { c.Step(2 * time.Hour) },
		},
		"deleted": {
			"deleted", func(*Cluster, *Message) {},
			func(t *testing.T, c *Cluster, key string, _ []string) {
				if o := c.API.DeleteKey(t.Context(), key); o.State != Acked {
					t.Fatalf("delete: %+v", o)
				}
			},
		},
	}
	for name, ending := range endings {
		for _, kind := range []ReaderKind{ReadWebsocket, ReadSSE} {
			t.Run(name+" "+string(kind), func(t *testing.T) {
				t.Parallel()
				c := Start(t, Options{})
				slow := stalled(t, c, kind, "gone")
				awaitConnections(t, c, "gone", 1)
				ids := flood(t, c, "gone", flooding, func(m *Message) { ending.shape(c, m) })
				ending.end(t, c, "gone", ids)
				last := push(t, c, lasting("gone", `"the end"`))
				frames := readRest(t, slow, last)
				messages, gap := 0, false
				for _, f := range frames {
					count(&messages, f.Type == "message")
					gap = gap || f.Type == "gap" && f.Reason == ending.reason
				}
				// What the sockets held, and one write that was under way.
				if messages > flooding/2 || !gap {
					t.Errorf("%d messages of %d came after they were gone; gap told: %v", messages-1, flooding, gap)
				}
				late := listenV2(t, c, "websocket", "key=gone&after=16&public=0")
				rest, err := ReadUntil(late, "live", 10*time.Second)
				if err != nil || len(rest) != 4 || rest[1].Type != "gap" || rest[2].ID != last {
					t.Errorf("who comes later gets %d frames, %v; want ready, gap, one message, live", len(rest), err)
				}
			})
		}
	}
}

// What is recalled before a stalled reader has caught up to it does not come, and
// everything else does.
func TestP7RecallUnderASlowReader(t *testing.T) {
	for _, kind := range []ReaderKind{ReadWebsocket, ReadSSE} {
		t.Run(string(kind), func(t *testing.T) {
			c := Start(t, Options{})
			slow := stalled(t, c, kind, "k")
			awaitConnections(t, c, "k", 1)
			ids := flood(t, c, "k", flooding, nil)
			gone := make(map[string]bool)
			for i := flooding * 3 / 4; i < flooding; i += 2 {
				recall(t, c, "k", ids[i])
				gone[ids[i]] = true
			}
			last := push(t, c, lasting("k", `"the end"`))
			seen := 0
			for _, f := range readRest(t, slow, last) {
				if f.Type != "message" {
					continue
				}
				seen++
				if gone[f.ID] {
					t.Errorf("%s was recalled, and came", f.ID)
				}
			}
			if want := flooding - len(gone) + 1; seen != want {
				t.Errorf("%d messages came, want %d", seen, want)
			}
		})
	}
}

// awaitConnections waits until a key has n connections.
func awaitConnections(t *testing.T, c *Cluster, key string, n int) {
	t.Helper()
	want := fmt.Sprintf(`"connections":%d,`, n)
	Until(t, 10*time.Second, want, func() (bool, string) {
		res, err := c.API.Admin(t.Context(), "GET", "/v2/keys/"+key, "")
		return err == nil && strings.Contains(res.Body, want), fmt.Sprint(res, err)
	})
}

// P7 in the queue of one connection: its writer is blocked, and small messages wait
// behind that write. What is withdrawn there, or expires there, never comes, in any
// protocol.
//
// Broken once each by leaving out the check of expiry before a write, by leaving the
// queue alone on a deletion, and on a recall: all sixty came.
func TestP7GoneFromTheQueue(t *testing.T) {
	endings := map[string]func(t *testing.T, c *Cluster, ids []string){
		"expired": func(_ *testing.T, c *Cluster, _ []string) { c.Step(2 * time.Hour) },
		"deleted": func(t *testing.T, c *Cluster, _ []string) {
			if o := c.API.DeleteKey(t.Context(), "q"); o.State != Acked {
				t.Fatalf("delete: %+v", o)
			}
		},
		"recalled": func(t *testing.T, c *Cluster, ids []string) {
			for _, id := range ids {
				recall(t, c, "q", id)
			}
		},
	}
	for name, end := range endings {
		for _, kind := range []ReaderKind{ReadWebsocket, ReadSSE, ReadV1TCP, ReadV1WS} {
			t.Run(name+" "+string(kind), func(t *testing.T) {
				t.Parallel()
				c := Start(t, Options{})
				slow := blocked(t, c, kind, "q")
				var ids []string
				for range 60 { // fewer than a connection's queue holds
					m := Message{Key: "q", Data: Text("small"), ExpiresAt: c.Now().Add(time.Hour).UnixMilli()}
					ids = append(ids, push(t, c, m))
				}
				end(t, c, ids)
				push(t, c, lasting("q", `"the end"`))
				if n := smallOnes(t, slow); n > 0 {
					t.Errorf("%d messages came after they were %s", n, name)
				}
			})
		}
	}
}

// blocked is a reader that does not read, with a write to it that cannot go on: the
// message under way is the only one that has been taken from its queue.
func blocked(t *testing.T, c *Cluster, kind ReaderKind, key string) *StalledReader {
	t.Helper()
	r := stalled(t, c, kind, key)
	awaitConnections(t, c, key, 1)
	for n := 1; n < 2*flooding; n++ {
		push(t, c, lasting(key, string(big(n))))
		ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
		written := false
		for more := true; more && !written; more = Pause(ctx, pollEvery) {
			got, err := c.API.Metric(t.Context(), "gopush_comet_deliveries_total")
			written = err == nil && int(got) >= n
		}
		cancel()
		if !written {
			return r
		}
	}
	t.Fatal("the sockets never get full")
	return nil
}

// smallOnes reads to the last message and counts the small ones before it.
func smallOnes(t *testing.T, r *StalledReader) (n int) {
	t.Helper()
	for data := range bodies(t, r) {
		switch data {
		case `"small"`:
			n++
		case `"the end"`:
			return n
		}
	}
	return n
}

// bodies yields the data of the messages that a reader gets, whatever it speaks.
func bodies(t *testing.T, r *StalledReader) iter.Seq[string] {
	t.Helper()
	if r.kind == ReadWebsocket || r.kind == ReadSSE {
		s, err := r.V2()
		return func(yield func(string) bool) {
			for err == nil {
				var f StreamFrame
				if f, err = s.Next(frameTime); err == nil && f.Type == "message" && !yield(string(f.Data)) {
					return
				}
			}
			t.Error(err)
		}
	}
	conn, err := r.V1()
	return func(yield func(string) bool) {
		for err == nil {
			var text string
			var m V1Message
			if text, err = conn.Next(frameTime); err != nil || text == "+h" {
				continue
			}
			if m, err = ParseV1(text); err == nil && !yield(string(m.Msg)) {
				return
			}
		}
		t.Error(err)
	}
}
