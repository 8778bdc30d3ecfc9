package comet

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"gopush/comet/wire"
	"gopush/internal/push"
	"gopush/internal/rpc"
)

// TestDescribeStandings: each connection of a key is below, at or above an id, and one
// that reads from the store is behind; the public stream has its own.
//
// Broken once by taking the cursor of a connection that reads for the newest id, once by
// counting those of the public stream from the owner's channel, and once by leaving the epoch out.
func TestDescribeStandings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, store, c := testNode(t, nil)
		first, second := mustPush(t, n, "a", `1`), mustPush(t, n, "a", `2`)
		listen(t, n, "a")
		listen(t, n, "a", func(r *wire.Stream) { r.Public = false })
		store.onRead = func(push.Key, push.Span) error { return errors.New("the store is away") }
		listen(t, n, "a", after(first))
		listen(t, n, "a", after(first-push.Step))
		synctest.Wait()
		check := func(key push.Key, about push.ID, want push.KeyInfo) {
			t.Helper()
			want.Group, want.Epoch, want.Floor = n.cfg.Member.Group, 1, push.ID(c.floor.Load())
			got, err := n.Describe(t.Context(), key, about)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		}
		cursors := []push.ID{first - push.Step, first, second, second}
		check("a", first, push.KeyInfo{
			Connections: 4, Newest: second, Behind: 2, Standing: push.Standing{Before: 1, At: 1, Past: 2}, Cursors: cursors,
		})
		check("a", second, push.KeyInfo{Connections: 4, Newest: second, Behind: 2, Standing: push.Standing{Before: 2, At: 2}, Cursors: cursors})
		check("a", 0, push.KeyInfo{Connections: 4, Newest: second, Behind: 2, Cursors: cursors})
		check("nobody", 16, push.KeyInfo{Cursors: []push.ID{}})
		all := second + push.Step
		if err := n.onPublic(t.Context(), rpc.Event{Kind: rpc.EventMessage, Message: push.Message{ID: all, Body: []byte(`3`), ExpiresAt: 1 << 60}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		check(push.PublicKey, all, push.KeyInfo{Connections: 3, Newest: all, Standing: push.Standing{At: 3}, Cursors: []push.ID{all, all, all}})
	})
}

// TestDescribeElsewhere: a key of another node is refused, the public stream never: each
// node has connections that take it.
//
// Broken once by refusing both.
func TestDescribeElsewhere(t *testing.T) {
	n, _, c := testNode(t, nil)
	c.valid.Store(false)
	if _, err := n.Describe(t.Context(), "a", 0); !push.Is(err, push.KindMoving) {
		t.Errorf("without a lease: %v", err)
	}
	info, err := n.Describe(t.Context(), push.PublicKey, 0)
	if err != nil || info.Epoch != 0 || info.Floor != 0 {
		t.Errorf("the public stream: %+v, %v", info, err)
	}
}
