package comet

import (
	"fmt"
	"sync"
	"testing"

	"gopush/internal/push"
)

// What a forgotten channel knew is exact, or not known; never another key's.
func TestTableRemembersNewestIDs(t *testing.T) {
	tab := newTable()
	const keys = 200_000 // three times the places
	key := func(i int) push.Key { return push.Key(fmt.Sprintf("key%d", i)) }
	for i := range keys {
		ch := tab.acquire(key(i))
		ch.last = push.ID(i + 1)
		tab.release(ch, 1)
	}
	known := 0
	for i := range keys {
		ch := tab.acquire(key(i))
		if last, ok := ch.newest(); ok {
			known++
			if last != push.ID(i+1) {
				t.Fatalf("key %d is remembered with %d", i, last)
			}
		}
		ch.last = push.PrevUnknown // as after a write whose outcome is unknown
		tab.release(ch, 1)
	}
	if known == 0 || known > shardCount*recentCount {
		t.Fatalf("%d ids were remembered", known)
	}
	for i := range keys {
		ch := tab.acquire(key(i))
		if last, ok := ch.newest(); ok && last != push.ID(i+1) {
			t.Fatalf("key %d is remembered with %d", i, last)
		}
		tab.release(ch, 1)
	}
	if tab.size() != 0 {
		t.Fatalf("%d channels are left", tab.size())
	}
}

// An unknown outcome, and a new term, wipe what was remembered.
func TestTableForgets(t *testing.T) {
	tab := newTable()
	remember := func() {
		ch := tab.acquire("a")
		ch.last = 16
		tab.release(ch, 1)
	}
	know := func() bool {
		ch := tab.acquire("a")
		defer tab.release(ch, 1)
		_, known := ch.newest()
		return known
	}
	remember()
	if !know() {
		t.Fatal("nothing was remembered")
	}
	ch := tab.acquire("a")
	ch.forget()
	tab.release(ch, 1)
	if know() {
		t.Fatal("an id was remembered beyond an unknown outcome")
	}
	remember()
	tab.forget()
	if know() {
		t.Fatal("an id was remembered beyond its term")
	}
}

func TestTableUnderLoad(t *testing.T) {
	tab := newTable()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range 20_000 {
				ch := tab.acquire(push.Key(fmt.Sprint(i % 50)))
				tab.peek(ch.key, func(same *channel) {
					if same != ch {
						t.Error("a key has two channels at once")
					}
				})
				tab.release(ch, 1)
			}
		})
	}
	wg.Wait()
	if tab.size() != 0 {
		t.Fatalf("%d channels are left", tab.size())
	}
}
