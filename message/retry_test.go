package message_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"gopush/internal/push"
	"gopush/internal/rpc"
	"gopush/message"
	"gopush/message/embedded"
)

// node is a service over a real store in a folder of the test's.
type node struct {
	*message.Service
	store message.Store
	t     *testing.T
}

func newNode(t *testing.T, wrap func(message.Store) message.Store) node {
	t.Helper()
	store, err := embedded.Open(embedded.Config{Dir: t.TempDir()}, slog.New(slog.DiscardHandler), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	var used message.Store = store
	if wrap != nil {
		used = wrap(store)
	}
	svc, err := message.NewService(message.Config{}, used)
	if err != nil {
		t.Fatal(err)
	}
	return node{svc, used, t}
}

// msg is a message that lives for an hour.
func msg(id push.ID, body string, idem ...string) push.Message {
	m := push.Message{ID: id, Body: []byte(body), ExpiresAt: time.Now().Add(time.Hour).UnixMilli()}
	if len(idem) > 0 {
		m.IdempotencyKey = idem[0]
	}
	return m
}

// write saves one write and returns its answer.
func (n node) write(prev push.ID, msgs ...push.Message) (w push.Written, err error) {
	n.t.Helper()
	answers := 0
	n.Save(n.t.Context(), []push.Write{{Key: "k", Prev: prev, Messages: msgs}}, func(_ int, got push.Written, e error) {
		answers++
		w, err = got, e
	})
	if answers != 1 {
		n.t.Fatalf("one write was answered %d times", answers)
	}
	return w, err
}

// chain is what a reader gets: "id<prev" of each message.
func (n node) chain() (out []string) {
	n.t.Helper()
	page, err := n.Read(n.t.Context(), "k", push.Span{Limit: 100})
	if err != nil {
		n.t.Fatal(err)
	}
	for _, m := range page.Messages {
		out = append(out, fmt.Sprintf("%d<%d", m.Prev, m.ID))
	}
	return out
}

func (n node) want(chain ...string) {
	n.t.Helper()
	if got := n.chain(); fmt.Sprint(got) != fmt.Sprint(chain) {
		n.t.Fatalf("stored is %v, want %v", got, chain)
	}
}

func outcomes(w push.Written) (out []push.Outcome) { return w.Outcomes }

// P5: whatever a retry meets, the app sees one message, and a conflict nothing.
func TestRetries(t *testing.T) {
	t.Run("of an acknowledged message", func(t *testing.T) {
		n := newNode(t, nil)
		if _, err := n.write(0, msg(16, `1`, "i")); err != nil {
			t.Fatal(err)
		}
		w, err := n.write(16, msg(32, `1`, "i"))
		if err != nil || outcomes(w)[0] != (push.Outcome{Status: push.Duplicate, ID: 16}) {
			t.Fatalf("%+v, %v", w, err)
		}
		n.want("0<16")
	})
	t.Run("with another body", func(t *testing.T) {
		n := newNode(t, nil)
		if _, err := n.write(0, msg(16, `1`, "i")); err != nil {
			t.Fatal(err)
		}
		w, err := n.write(16, msg(32, `2`, "i"))
		if err != nil || outcomes(w)[0] != (push.Outcome{Status: push.Conflict, ID: 16}) {
			t.Fatalf("%+v, %v", w, err)
		}
		n.want("0<16")
	})
	t.Run("of the same write", func(t *testing.T) {
		n := newNode(t, nil)
		for range 2 {
			w, err := n.write(push.PrevUnknown, msg(16, `1`, "i"), msg(32, `2`))
			if err != nil || w.Prev != 0 || outcomes(w)[0].Status != push.Stored {
				t.Fatalf("%+v, %v", w, err)
			}
		}
		n.want("0<16", "16<32")
	})
	t.Run("within one burst", func(t *testing.T) {
		n := newNode(t, nil)
		w, err := n.write(0, msg(16, `1`, "i"), msg(32, `1`, "i"), msg(48, `2`, "i"), msg(64, `3`))
		if err != nil {
			t.Fatal(err)
		}
		want := []push.Outcome{{Status: push.Stored, ID: 16}, {Status: push.Duplicate, ID: 16}, {Status: push.Conflict, ID: 16}, {Status: push.Stored, ID: 64}}
		if fmt.Sprint(outcomes(w)) != fmt.Sprint(want) {
			t.Fatalf("%+v, want %+v", outcomes(w), want)
		}
		n.want("0<16", "16<64") // the chain skips what was not stored
	})
}

// P3 and P5: an id that its comet gave up on, and that the stream went on
// without, is never acknowledged later: a reader may be past it.
func TestRetryOfWhatWasGivenUp(t *testing.T) {
	n := newNode(t, nil)
	if _, err := n.write(0, msg(16, `"first"`)); err != nil {
		t.Fatal(err)
	}
	// 32 is stored, but its comet got no answer and went on after 16.
	late := msg(32, `"late"`, "i")
	late.Prev = 16
	if errs := n.store.Save(t.Context(), []push.Write{{Key: "k", Messages: []push.Message{late}}}); errs[0] != nil {
		t.Fatal(errs[0])
	}
	if _, err := n.write(16, msg(48, `"next"`)); err != nil {
		t.Fatal(err)
	}
	w, err := n.write(48, msg(64, `"late"`, "i"))
	if err != nil || outcomes(w)[0] != (push.Outcome{Status: push.Stored, ID: 64}) {
		t.Fatalf("%+v, %v", w, err)
	}
	n.want("0<16", "16<48", "48<64")
}

// The same without a message after it: the comet's own last id tells.
func TestRetryOfWhatWasGivenUpLast(t *testing.T) {
	n := newNode(t, nil)
	late := msg(32, `"late"`, "i")
	if errs := n.store.Save(t.Context(), []push.Write{{Key: "k", Messages: []push.Message{late}}}); errs[0] != nil {
		t.Fatal(errs[0])
	}
	w, err := n.write(16, msg(48, `"late"`, "i"))
	if err != nil || outcomes(w)[0] != (push.Outcome{Status: push.Stored, ID: 48}) {
		t.Fatalf("%+v, %v", w, err)
	}
	n.want("16<48")
	// A new comet, which does not know, takes what it finds as the newest.
	n = newNode(t, nil)
	if errs := n.store.Save(t.Context(), []push.Write{{Key: "k", Messages: []push.Message{late}}}); errs[0] != nil {
		t.Fatal(errs[0])
	}
	w, err = n.write(push.PrevUnknown, msg(48, `"late"`, "i"))
	if err != nil || outcomes(w)[0] != (push.Outcome{Status: push.Duplicate, ID: 32}) {
		t.Fatalf("%+v, %v", w, err)
	}
}

// A row of several messages was given up: what follows one of them at first is the rest of
// its row.
//
// Broken once by looking at the next message alone: an id below readers' cursors was acknowledged.
func TestRetryOfARowThatWasGivenUp(t *testing.T) {
	for _, next := range []bool{false, true} {
		n := newNode(t, nil)
		if _, err := n.write(0, msg(16, `"first"`)); err != nil {
			t.Fatal(err)
		}
		n.land(16, msg(32, `"late"`, "i"), msg(48, `"later"`))
		prev := push.ID(16)
		if next {
			if _, err := n.write(prev, msg(64, `"next"`)); err != nil {
				t.Fatal(err)
			}
			prev = 64
		}
		w, err := n.write(prev, msg(80, `"late"`, "i"))
		if err != nil || outcomes(w)[0] != (push.Outcome{Status: push.Stored, ID: 80}) {
			t.Fatalf("%+v, %v", w, err)
		}
	}
}

// What was acknowledged stays, although a row that was given up before lands behind it with an
// earlier place.
//
// Broken once by taking that row's word for it: an acknowledged message was discarded.
func TestALateRowDiscardsNothing(t *testing.T) {
	n := newNode(t, nil)
	if _, err := n.write(0, msg(16, `"first"`)); err != nil {
		t.Fatal(err)
	}
	if _, err := n.write(16, msg(32, `"mine"`, "i"), msg(48, `"too"`)); err != nil {
		t.Fatal(err)
	}
	n.land(16, msg(64, `"late"`), msg(80, `"later"`))
	prev := push.ID(48)
	for _, id := range []push.ID{96, 128} { // the second time the stream has gone on
		w, err := n.write(prev, msg(id, `"mine"`, "i"), msg(id+16, `"next"`))
		if err != nil || outcomes(w)[0] != (push.Outcome{Status: push.Duplicate, ID: 32}) {
			t.Fatalf("%+v, %v", w, err)
		}
		prev = id + 16
	}
}

// land stores a row past the service, as one that was given up does when it lands late.
func (n node) land(prev push.ID, msgs ...push.Message) {
	n.t.Helper()
	for i := range msgs {
		msgs[i].Prev, prev = prev, msgs[i].ID
	}
	if errs := n.store.Save(n.t.Context(), []push.Write{{Key: "k", Messages: msgs}}); errs[0] != nil {
		n.t.Fatal(errs[0])
	}
}

// landing is a store in which a row lands after the newest id was read.
type landing struct {
	message.Store
	land func()
}

func (l *landing) Newest(ctx context.Context, key push.Key) (push.ID, error) {
	id, err := l.Store.Newest(ctx, key)
	if l.land != nil {
		l.land()
		l.land = nil
	}
	return id, err
}

// A row that was given up lands while its retry is under way: the retry's write has its place
// already, before it. Nothing is stored and nothing acknowledged until both are seen.
//
// Broken once by acknowledging the row: readers went past it with the retry's write.
func TestARowLandsDuringItsRetry(t *testing.T) {
	l := &landing{}
	n := newNode(t, func(s message.Store) message.Store { l.Store = s; return l })
	if _, err := n.write(0, msg(16, `"first"`)); err != nil {
		t.Fatal(err)
	}
	l.land = func() { n.land(16, msg(32, `"late"`, "i"), msg(48, `"too"`)) }
	again := []push.Message{msg(64, `"late"`, "i"), msg(80, `"next"`)}
	if w, err := n.write(push.PrevUnknown, again...); !push.Is(err, push.KindStoreUnavailable) {
		t.Fatalf("%+v, %v", w, err)
	}
	w, err := n.write(push.PrevUnknown, again...)
	if err != nil || outcomes(w)[0] != (push.Outcome{Status: push.Duplicate, ID: 32}) {
		t.Fatalf("%+v, %v", w, err)
	}
	n.want("0<16", "16<32", "32<48", "48<80")
}

// doubtful is a store that claims an idempotency key before its message is there.
type doubtful struct {
	message.Store
	claimed   push.ID
	discarded []push.ID
}

func (d *doubtful) Find(context.Context, push.Key, string) (message.Found, error) {
	return message.Found{ID: d.claimed, InDoubt: d.claimed != 0}, nil
}

func (d *doubtful) Discard(ctx context.Context, key push.Key, id push.ID) error {
	d.discarded = append(d.discarded, id)
	d.claimed = 0
	return d.Store.Discard(ctx, key, id)
}

func TestRetryInDoubt(t *testing.T) {
	var d *doubtful
	n := newNode(t, func(s message.Store) message.Store { d = &doubtful{Store: s, claimed: 16}; return d })
	w, err := n.write(0, msg(32, `1`, "i"))
	if err != nil || outcomes(w)[0].Status != push.Stored || len(d.discarded) != 1 || d.discarded[0] != 16 {
		t.Fatalf("%+v, %v; discarded %v", w, err, d.discarded)
	}
	n.want("0<32")
}

// P6: a lower epoch is refused in every change, and stores nothing.
func TestFencing(t *testing.T) {
	n := newNode(t, nil)
	save := func(epoch int64, id push.ID) (err error) {
		n.Save(t.Context(), []push.Write{{Key: "k", Prev: push.PrevUnknown, Group: "g", Epoch: epoch, Messages: []push.Message{msg(id, `1`)}}},
			func(_ int, _ push.Written, e error) { err = e })
		return err
	}
	if err := errors.Join(save(1, 16), save(3, 32)); err != nil {
		t.Fatal(err)
	}
	old := rpc.Fence{Group: "g", Epoch: 2}
	for name, err := range map[string]error{
		"save": save(2, 48), "recall": n.Recall(t.Context(), "k", 16, old), "delete": n.Delete(t.Context(), "k", 32, old),
	} {
		if !push.Is(err, push.KindFenced) {
			t.Errorf("%s of an epoch that is over: %v", name, err)
		}
	}
	if err := n.Recall(t.Context(), "k", 16, rpc.Fence{Group: "another", Epoch: 1}); err != nil {
		t.Errorf("another group's epochs are its own: %v", err)
	}
	n.want("0<16", "16<32")
}

// P6: a node that was told of a new term refuses the old one, though the new one has
// never written through it.
//
// Broken once by going by writes alone: it was stored.
func TestFencingByWhatIsTold(t *testing.T) {
	n := newNode(t, nil)
	told := func(group string) int64 { return map[string]int64{"g": 3}[group] }
	svc, err := message.NewService(message.Config{Epoch: told}, n.store)
	if err != nil {
		t.Fatal(err)
	}
	save := func(group string, epoch int64, id push.ID) (err error) {
		w := push.Write{Key: "k", Prev: push.PrevUnknown, Group: group, Epoch: epoch, Messages: []push.Message{msg(id, `1`)}}
		svc.Save(t.Context(), []push.Write{w}, func(_ int, _ push.Written, e error) { err = e })
		return err
	}
	if err := save("g", 2, 16); !push.Is(err, push.KindFenced) {
		t.Errorf("a write of a term that is over: %v", err)
	}
	if err := errors.Join(save("g", 3, 32), save("another", 1, 48), save("g", 4, 64)); err != nil {
		t.Error(err)
	}
	n.want("0<32", "32<48", "48<64")
}

// broken fails while writing, or before.
type broken struct {
	message.Store
	reading, writing error
}

func (b broken) Newest(ctx context.Context, key push.Key) (push.ID, error) {
	if b.reading != nil {
		return 0, b.reading
	}
	return b.Store.Newest(ctx, key)
}

func (b broken) Save(_ context.Context, writes []push.Write) []error {
	errs := make([]error, len(writes))
	for i := range errs {
		errs[i] = b.writing
	}
	return errs
}

// What failed before the store was asked surely is not there; after that nobody
// knows. The kinds say which.
func TestErrorsSayWhatMayBeThere(t *testing.T) {
	for name, c := range map[string]struct {
		reading, writing error
		want             push.Kind
	}{
		"looking up":           {reading: errors.New("planted"), want: push.KindStoreUnavailable},
		"looking up, in doubt": {reading: push.E(push.KindOutcomeUnknown, "planted"), want: push.KindStoreUnavailable},
		"writing":              {writing: errors.New("planted"), want: push.KindOutcomeUnknown},
		"refused by the store": {writing: push.E(push.KindStoreUnavailable, "planted"), want: push.KindStoreUnavailable},
	} {
		n := newNode(t, func(s message.Store) message.Store { return broken{s, c.reading, c.writing} })
		if _, err := n.write(push.PrevUnknown, msg(16, `1`)); !push.Is(err, c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

func TestRefusesIDsThatDoNotFollow(t *testing.T) {
	n := newNode(t, nil)
	if _, err := n.write(0, msg(32, `1`)); err != nil {
		t.Fatal(err)
	}
	for name, w := range map[string]func() (push.Written, error){
		"below the known last": func() (push.Written, error) { return n.write(32, msg(16, `2`)) },
		"below the newest":     func() (push.Written, error) { return n.write(push.PrevUnknown, msg(16, `2`)) },
		"descending":           func() (push.Written, error) { return n.write(32, msg(64, `2`), msg(48, `3`)) },
		"none":                 func() (push.Written, error) { return n.write(32) },
	} {
		if _, err := w(); !push.Is(err, push.KindInternal) {
			t.Errorf("%s: %v", name, err)
		}
	}
	n.want("0<32")
}

// slow holds every save until it is let go.
type slow struct {
	message.Store
	entered, hold chan struct{}
}

func (s slow) Save(ctx context.Context, writes []push.Write) []error {
	s.entered <- struct{}{}
	<-s.hold
	return s.Store.Save(ctx, writes)
}

// Beyond its bound a message node refuses at once, with a retryable error.
func TestBusy(t *testing.T) {
	base := newNode(t, nil)
	s := slow{base.store, make(chan struct{}), make(chan struct{})}
	svc, err := message.NewService(message.Config{Concurrency: 1, Waiting: 1}, s)
	if err != nil {
		t.Fatal(err)
	}
	n := node{svc, s, t}
	done := make(chan error, 1)
	save := func(id push.ID) {
		_, err := n.write(push.PrevUnknown, msg(id, `1`))
		done <- err
	}
	go save(16)
	<-s.entered
	// One of three may wait; the two others are refused.
	waiting, cancel := context.WithCancel(t.Context())
	defer cancel()
	answers := make(chan error, 3)
	for range 3 {
		go func() {
			_, err := n.Newest(waiting, "k")
			answers <- err
		}()
	}
	for range 2 {
		err := <-answers
		if e, ok := errors.AsType[*push.Error](err); !ok || e.Kind != push.KindBusy || e.RetryAfter <= 0 {
			t.Errorf("one call too many was answered %v", err)
		}
	}
	cancel()
	if err := <-answers; !push.Is(err, push.KindBusy) {
		t.Errorf("a call that ended while it waited: %v", err)
	}
	close(s.hold)
	if err := <-done; err != nil {
		t.Error(err)
	}
}
