package e2e

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gopush/internal/oldredis"
	"gopush/internal/oldredis/redistest"
	vocab "gopush/internal/push"
)

// What docs/migrating.md promises to clients of gopush-cluster 1.0: with the cursor that they
// have from there they get exactly what they have not had, whichever way they got the last one.
//
// Broken once by places that are the rounded scores.
func TestMovingIn(t *testing.T) {
	c, store := startOpen(t, Options{})
	addr := redistest.Start(t, "")
	client := redis.NewClient(&redis.Options{Addr: addr, Protocol: 2, DisableIdentity: true})
	t.Cleanup(func() { _ = client.Close() })
	ctx := t.Context()
	// Ids that doubles do not have, among others.
	begin := int64(vocab.IDAt(time.Now().Add(-time.Hour)))
	mids := []int64{begin + 1, begin + 10_015, begin + 20_003, begin + 30_014, begin + 40_000}
	for i, mid := range mids {
		member := fmt.Sprintf(`{"msg":{"n":%d},"expire":%d}`, i, time.Now().Add(time.Hour).Unix())
		if err := client.ZAdd(ctx, "k", redis.Z{Score: float64(mid), Member: member}).Err(); err != nil {
			t.Fatal(err)
		}
	}
	imp, err := oldredis.New(oldredis.Config{Servers: []string{addr}, MaxBytes: 1000}, store, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := imp.Run(ctx); err != nil || r.Imported != len(mids) {
		t.Fatalf("%+v %v", r, err)
	}
	rest := func(cursor int64, want int) []V1Message {
		t.Helper()
		msgs, _, err := c.API.V1Fetch(ctx, "k", cursor, -1)
		if err != nil || len(msgs) != want {
			t.Errorf("behind %d a client gets %+v, %v; want %d", cursor, msgs, err, want)
		}
		return msgs
	}
	rest(0, len(mids))
	for i, mid := range mids {
		live, fetched := mid, int64(float64(mid)) // as it was delivered, as it was fetched
		for _, cursor := range []int64{live, fetched} {
			for k, m := range rest(cursor, len(mids)-i-1) {
				if got := string(m.Msg); got != fmt.Sprintf(`{"n":%d}`, i+1+k) || m.Mid%16 != 0 {
					t.Errorf("behind %d comes %s, %d", cursor, got, m.Mid)
				}
			}
		}
	}
	// New messages go on above, for clients of both protocols.
	id := push(t, c, Message{Key: "k", Data: Text("new")})
	if msgs := rest(mids[4], 1); strconv.FormatInt(msgs[0].Mid, 10) != id {
		t.Errorf("the new message %s comes as %+v", id, msgs)
	}
	s := listenV2(t, c, "websocket", Cursors{After: strconv.FormatInt(mids[2], 10)}.Query("k"))
	frames, err := ReadUntil(s, "live", time.Minute)
	if err != nil || len(frames) != 5 || frames[1].Type != "message" || string(frames[3].Data) != `"new"` || frames[3].Prev != frames[2].ID {
		t.Errorf("%+v %v", frames, err)
	}
}
