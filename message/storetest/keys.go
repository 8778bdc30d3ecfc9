package storetest

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"gopush/internal/push"
	"gopush/message"
)

// Lister is a store that can say which keys it has.
type Lister interface {
	message.Store
	// NextKey is the first user's key behind after; "" at the end, and to begin.
	NextKey(ctx context.Context, after push.Key) (push.Key, error)
}

// Keys holds a store to listing its keys: each once, in the order of their bytes, whatever
// lies in their rows, and neither the public stream nor anything of the store's own.
func Keys(t *testing.T, open Open) {
	t.Helper()
	clock := NewClock()
	store := open(t, clock)
	lister, ok := store.(Lister)
	if !ok {
		t.Fatalf("a %T does not list its keys", store)
	}
	s := NewSubject(t.Context(), store, clock)
	want := []push.Key{}
	for i, name := range []string{"b", "a", "中", "a!", "ab", "a b", strings.Repeat("x", 200)} {
		st := s.stream(name)
		if _, err := st.fill(i + 1); err != nil {
			t.Fatal(err)
		}
		want = append(want, st.key)
	}
	gone, late, public := s.stream("gone"), s.stream("late"), &stream{Subject: s, key: push.PublicKey}
	if _, err := public.add(`"public"`, life); err != nil {
		t.Fatal(err)
	}
	m, err := gone.add(`"gone"`, time.Minute)
	if err == nil {
		err = store.Recall(t.Context(), gone.key, m.ID)
	}
	if err == nil {
		err = store.Discard(t.Context(), late.key, late.message(`"never"`, life).ID)
	}
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(want)
	var got []push.Key
	for key := push.Key(s.tag); ; {
		next, err := lister.NextKey(t.Context(), key)
		if err != nil {
			t.Fatal(err)
		}
		if next != "" && next <= key {
			t.Fatalf("%q comes after %q", next, key)
		}
		if key = next; !strings.HasPrefix(string(key), s.tag) {
			break
		}
		if key != gone.key && key != late.key { // which may be there or not
			got = append(got, key)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the keys are %q, not %q", got, want)
	}
	if first, err := lister.NextKey(t.Context(), ""); err != nil || first == "" || first > want[0] || first < " " {
		t.Errorf("the first key is %q, %v", first, err)
	}
}
