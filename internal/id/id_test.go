package id

import (
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gopush/internal/push"
)

// at is the instant of an id; IDAt gives the id back.
func at(id push.ID) time.Time { return id.Time() }

func TestNext(t *testing.T) {
	source := New(1000, 2000) // 1000 is no multiple of 16, 2000 is
	for _, c := range []struct {
		name string
		now  push.ID
		want push.ID
		ok   bool
	}{
		{"clock below the floor", 16, 1008, true},
		{"clock stands", 16, 1024, true},
		{"clock goes on", 1600, 1600, true},
		{"clock between two ids", 1633, 1648, true},
		{"clock steps back", 800, 1664, true},
		{"clock before 1970", -7, 1680, true},
		{"clock above the ceiling", 2001, 0, false},
		{"nothing was consumed", 0, 1696, true},
		{"the ceiling itself", 2000, 2000, true},
		{"beyond it", 0, 0, false},
	} {
		got, ok := source.Next(at(c.now))
		if got != c.want || ok != c.ok {
			t.Errorf("%s: Next = %d, %v; want %d, %v", c.name, got, ok, c.want, c.ok)
		}
	}
}

func TestReserve(t *testing.T) {
	s := New(0, 160)
	for _, c := range []struct {
		n    int
		want push.ID
		ok   bool
	}{
		{3, 16, true},         // 16, 32, 48
		{1, 64, true},         // 64
		{0, 0, false},         // nothing asked for
		{-1, 0, false},        // nonsense
		{7, 0, false},         // 80 to 176 is one too many
		{1 << 62, 0, false},   // 16 times that overflows
		{1<<63 - 1, 0, false}, // and this even more
		{6, 80, true},         // 80 to 160
		{1, 0, false},         // full
		{-1 << 63, 0, false},  // nonsense
	} {
		got, ok := s.Reserve(at(0), c.n)
		if got != c.want || ok != c.ok {
			t.Errorf("Reserve(%d) = %d, %v; want %d, %v", c.n, got, ok, c.want, c.ok)
		}
	}
}

func TestEndOfIDs(t *testing.T) {
	s := New(push.MaxID-40, push.MaxID)
	var got []push.ID
	for {
		id, ok := s.Next(at(0))
		if !ok {
			break
		}
		got = append(got, id)
	}
	want := []push.ID{push.MaxID - 31, push.MaxID - 15}
	if !slices.Equal(got, want) {
		t.Errorf("the last ids are %d, want %d", got, want)
	}
	if got := s.Below(at(push.MaxID)); got != push.MaxID-15 {
		t.Errorf("Below = %d, want the last id", got)
	}
}

func TestRaise(t *testing.T) {
	s := New(100, 50) // a term whose ceiling is not raised yet
	if id, ok := s.Next(at(0)); ok {
		t.Fatalf("Next = %d under a ceiling below the floor", id)
	}
	s.Raise(-1)
	s.Raise(128)
	s.Raise(90)
	if got := s.Ceiling(); got != 128 {
		t.Fatalf("Ceiling = %d, want 128: it must not sink", got)
	}
	for _, want := range []push.ID{112, 128} {
		if got, ok := s.Next(at(0)); !ok || got != want {
			t.Errorf("Next = %d, %v; want %d", got, ok, want)
		}
	}
	if got := s.High(); got != 128 {
		t.Errorf("High = %d, want 128", got)
	}
}

func TestBelow(t *testing.T) {
	s := New(100, 1000)
	for _, c := range []struct {
		name string
		now  push.ID
		want push.ID
	}{
		{"clock below the floor", 5, 96},
		{"now", 201, 208},
		{"clock steps back", 150, 208},
		{"held by the ceiling", 5000, 992},
		{"before 1970", -5, 992},
	} {
		if got := s.Below(at(c.now)); got != c.want {
			t.Errorf("%s: Below = %d, want %d", c.name, got, c.want)
		}
	}
	s.Raise(2000)
	if got, ok := s.Next(at(0)); !ok || got != 1008 {
		t.Errorf("Next = %d, %v; want 1008, the next one after Below", got, ok)
	}
}

// Whatever the clock does and whatever is asked for in whatever order: ids
// strictly increase, are multiples of 16 and lie above the floor and at or
// below the ceiling, and what Below gave stays below.
func TestAlwaysAscends(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		floor := push.ID(rapid.Int64Min(0).Draw(t, "floor"))
		ceiling := floor + push.ID(rapid.Int64Range(-100, 10_000).Draw(t, "room"))
		ceiling = max(ceiling, 0)
		s := New(floor, ceiling)
		last, mark := floor, push.ID(0)
		given := func(first push.ID, n int) {
			end := first + push.ID(n-1)*push.Step
			if first <= last || first <= mark || first%push.Step != 0 || end > ceiling || end < first {
				t.Fatalf("%d ids from %d, after %d, with %d promised and a ceiling of %d", n, first, last, mark, ceiling)
			}
			last = end
		}
		clock := func(t *rapid.T) time.Time {
			if rapid.Bool().Draw(t, "wild") {
				return time.Unix(rapid.Int64().Draw(t, "seconds"), 0)
			}
			return at(floor + push.ID(rapid.Int64Range(-100, 12_000).Draw(t, "clock")))
		}
		t.Repeat(map[string]func(*rapid.T){
			"next": func(t *rapid.T) {
				if id, ok := s.Next(clock(t)); ok {
					given(id, 1)
				}
			},
			"reserve": func(t *rapid.T) {
				n := rapid.OneOf(rapid.IntRange(-1, 20), rapid.Int()).Draw(t, "n")
				if first, ok := s.Reserve(clock(t), n); ok {
					given(first, n)
				}
			},
			"below": func(t *rapid.T) {
				got := s.Below(clock(t))
				if got < mark || last > floor && got < last || got%push.Step != 0 {
					t.Fatalf("Below = %d, after %d, with %d promised", got, last, mark)
				}
				mark = got
			},
			"raise": func(t *rapid.T) {
				to := ceiling + push.ID(rapid.Int64Range(-100, 1000).Draw(t, "to"))
				s.Raise(to)
				ceiling = max(ceiling, to)
			},
		})
	})
}

// An id is refused only for want of room: while the clock is below the ceiling
// and the last id too, there is a next one.
func TestRefusesOnlyForTheCeiling(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		floor := push.ID(rapid.Int64Range(0, 1<<60).Draw(t, "floor"))
		ceiling := floor + push.ID(rapid.Int64Range(0, 1000).Draw(t, "room"))
		now := floor + push.ID(rapid.Int64Range(-1000, 2000).Draw(t, "now"))
		n := rapid.IntRange(1, 80).Draw(t, "n")
		first := max(push.IDAt(at(now)), floor-floor%push.Step+push.Step)
		want := first+push.ID(n-1)*push.Step <= ceiling
		if _, ok := New(floor, ceiling).Reserve(at(now), n); ok != want {
			t.Fatalf("Reserve = %v, want %v", ok, want)
		}
	})
}

// Many goroutines take ids at once: nobody gets one twice, each sees its own
// ascend, and what Below gave before an id is below it.
func TestConcurrent(t *testing.T) {
	const workers, rounds = 8, 2000
	s := New(0, 0)
	lists := make([][]push.ID, workers)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range push.ID(workers * rounds) {
			s.Raise((i + 1) * 3 * push.Step)
		}
	})
	for w := range workers {
		wg.Go(func() {
			for i := range rounds {
				mark := s.Below(at(push.ID(i)))
				first, ok := s.Reserve(at(push.ID(i)), 1+w%3)
				if !ok {
					continue
				}
				if first <= mark {
					t.Errorf("got %d after Below gave %d", first, mark)
				}
				for k := range push.ID(1 + w%3) {
					lists[w] = append(lists[w], first+k*push.Step)
				}
			}
		})
	}
	wg.Wait()
	for w, list := range lists {
		if !slices.IsSorted(list) {
			t.Errorf("the ids of worker %d do not ascend", w)
		}
	}
	all := slices.Concat(lists...)
	slices.Sort(all)
	if n := len(slices.Compact(slices.Clone(all))); n != len(all) {
		t.Errorf("%d of %d ids were given twice", len(all)-n, len(all))
	}
	if len(all) == 0 {
		t.Error("no id was given at all")
	}
}

func TestDoesNotAllocate(t *testing.T) {
	s, now := New(0, push.MaxID), at(1<<54)
	for name, f := range map[string]func(){
		"Next": func() { s.Next(now) }, "Reserve": func() { s.Reserve(now, 7) },
		"Below": func() { s.Below(now) }, "Raise": func() { s.Raise(push.MaxID) },
	} {
		if got := testing.AllocsPerRun(100, f); got != 0 {
			t.Errorf("%s: %v allocations, want 0", name, got)
		}
	}
}

func BenchmarkNext(b *testing.B) {
	s, now := New(0, push.MaxID), at(1<<54)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			s.Next(now)
		}
	})
}
