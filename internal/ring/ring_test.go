package ring

import (
	"crypto/sha1"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func mustNew(t testing.TB, nodes ...Node) *Ring {
	t.Helper()
	r, err := New(nodes)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// keys of the compatibility vectors, in the order of the answers below.
var keys = []string{
	"Terry-Mao", "a", "b", "c", "d", "e", "f", "t1", "t2", "t3", "user:1", "user:2", "user:3", "", "中文",
}

// vectors say what an existing deployment does: the number of the node of each
// of keys, and how many of user0 to user99999 each node owns.
var vectors = []struct {
	name   string
	nodes  []Node
	owners string
	split  []int
}{
	{"two equal", []Node{{"node1", 1}, {"node2", 1}}, "122122122222111", nil},
	{"three equal", []Node{{"node1", 1}, {"node2", 1}, {"node3", 1}}, "122322323223133", []int{34135, 32628, 33237}},
	{"three weighted", []Node{{"node1", 1}, {"node2", 2}, {"node3", 3}}, "133222333223133", []int{17629, 32851, 49520}},
}

func TestVectors(t *testing.T) {
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			// The order in which nodes are given must not matter.
			nodes := slices.Clone(v.nodes)
			slices.Reverse(nodes)
			r := mustNew(t, nodes...)
			for i, key := range keys {
				if got, want := r.Owner(key), "node"+v.owners[i:i+1]; got != want {
					t.Errorf("Owner(%q) = %s, want %s", key, got, want)
				}
			}
			if v.split == nil {
				return
			}
			got := make([]int, len(v.split))
			for i := range 100_000 {
				owner := r.Owner("user" + strconv.Itoa(i))
				n, err := strconv.Atoi(strings.TrimPrefix(owner, "node"))
				if err != nil {
					t.Fatal(err)
				}
				got[n-1]++
			}
			if diff := cmp.Diff(v.split, got); diff != "" {
				t.Errorf("split of 100000 users (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNewRejects(t *testing.T) {
	for name, c := range map[string]struct {
		nodes []Node
		want  string
	}{
		"no name":      {[]Node{{"", 1}}, "has no name"},
		"duplicate":    {[]Node{{"a", 1}, {"b", 1}, {"a", 2}}, `"a" is there twice`},
		"weight 0":     {[]Node{{"a", 0}}, `"a" has weight 0`},
		"weight below": {[]Node{{"a", -1}}, `"a" has weight -1`},
		"weight above": {[]Node{{"a", 1001}}, `"a" has weight 1001`},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := New(c.nodes)
			if err == nil || r != nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("New(%v) = %v, %v; want an error with %q", c.nodes, r, err, c.want)
			}
		})
	}
	_, err := New([]Node{{"", 0}, {"a", 1}, {"a", 9999}})
	for _, part := range []string{"no name", "weight 0", "there twice", "weight 9999"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not report %q", err, part)
		}
	}
}

// The two nodes share a point, and the key lands on it.
func TestTieGoesToTheSmallerName(t *testing.T) {
	for _, c := range []struct{ a, b, key, want string }{
		{"node35", "node261", "key2962", "node261"},
		{"node64", "node328", "key1723", "node328"},
		{"node222", "node288", "key174", "node222"},
	} {
		for _, nodes := range [][]Node{{{c.a, 1}, {c.b, 1}}, {{c.b, 1}, {c.a, 1}}} {
			if got := mustNew(t, nodes...).Owner(c.key); got != c.want {
				t.Errorf("Owner(%q) of %v = %s, want %s", c.key, nodes, got, c.want)
			}
		}
	}
}

func TestWeightBounds(t *testing.T) {
	r := mustNew(t, Node{"light", 1}, Node{"heavy", 1000})
	if got, want := len(r.points), (1+1000)*255; got != want {
		t.Errorf("%d points, want %d", got, want)
	}
}

func TestEmpty(t *testing.T) {
	var none *Ring
	for name, r := range map[string]*Ring{"nil": none, "no nodes": mustNew(t), "zero": {}} {
		if got := r.Owner("a"); got != "" {
			t.Errorf("%s: Owner = %q, want none", name, got)
		}
		if got := r.Nodes(); len(got) != 0 {
			t.Errorf("%s: Nodes = %v, want none", name, got)
		}
	}
}

func TestNodesIsSortedCopy(t *testing.T) {
	given := []Node{{"b", 2}, {"a", 1}}
	r := mustNew(t, given...)
	if diff := cmp.Diff([]Node{{"b", 2}, {"a", 1}}, given); diff != "" {
		t.Errorf("New changed its argument:\n%s", diff)
	}
	want := []Node{{"a", 1}, {"b", 2}}
	r.Nodes()[0].Name = "changed"
	if diff := cmp.Diff(want, r.Nodes()); diff != "" {
		t.Errorf("Nodes (-want +got):\n%s", diff)
	}
}

func TestOwnerDoesNotAllocate(t *testing.T) {
	r := mustNew(t, vectors[2].nodes...)
	for _, n := range []int{1, 32, 33, 255, 256} {
		key := strings.Repeat("k", n)
		if got := testing.AllocsPerRun(100, func() { r.Owner(key) }); got != 0 {
			t.Errorf("a key of %d bytes: %v allocations, want 0", n, got)
		}
	}
	// A longer one is no valid key, but must not be cut either.
	long := strings.Repeat("k", 1000)
	if got, want := r.Owner(long), twin(vectors[2].nodes, long); got != want {
		t.Errorf("Owner of a long key = %s, want %s", got, want)
	}
}

// twin finds the owner without building a ring: it looks at every point.
func twin(nodes []Node, key string) string {
	hash := func(s string) uint32 {
		sum := sha1.Sum([]byte(s))
		return binary.BigEndian.Uint32(sum[16:])
	}
	from, owner, best := hash(key), "", uint64(0)
	for _, n := range nodes {
		for i := 1; i <= 255*n.Weight; i++ {
			// How far it is clockwise, in 32 bits: less than a circle.
			far := uint64(hash(n.Name+":"+strconv.Itoa(i)) - from)
			if owner == "" || far < best || far == best && n.Name < owner {
				owner, best = n.Name, far
			}
		}
	}
	return owner
}

func drawNodes(t *rapid.T, label string) []Node {
	node := rapid.Custom(func(t *rapid.T) Node {
		return Node{
			Name:   rapid.StringMatching(`[a-z0-9:]{1,4}`).Draw(t, "name"),
			Weight: rapid.IntRange(1, 3).Draw(t, "weight"),
		}
	})
	return rapid.SliceOfNDistinct(node, 1, 5, func(n Node) string { return n.Name }).Draw(t, label)
}

func TestOwnerEqualsTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := drawNodes(t, "nodes")
		r, err := New(nodes)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range rapid.SliceOfN(rapid.String(), 1, 5).Draw(t, "keys") {
			if got, want := r.Owner(key), twin(nodes, key); got != want {
				t.Fatalf("Owner(%q) = %q, want %q", key, got, want)
			}
		}
	})
}

// Whoever adds a node moves keys to it, and none between the others.
func TestAddedNodeOnlyTakes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		after := drawNodes(t, "nodes")
		i := rapid.IntRange(0, len(after)-1).Draw(t, "added")
		before := slices.Delete(slices.Clone(after), i, i+1)
		small, err := New(before)
		if err != nil {
			t.Fatal(err)
		}
		big, err := New(after)
		if err != nil {
			t.Fatal(err)
		}
		for n := range 200 {
			key := fmt.Sprint("key", n)
			was, is := small.Owner(key), big.Owner(key)
			if is != was && is != after[i].Name {
				t.Fatalf("adding %q moved %q from %q to %q", after[i].Name, key, was, is)
			}
		}
	})
}

func BenchmarkOwner(b *testing.B) {
	r := mustNew(b, vectors[1].nodes...)
	b.ReportAllocs()
	for b.Loop() {
		r.Owner("user:12345")
	}
}

// Broken once by a weight that is ignored.
func TestParse(t *testing.T) {
	r, err := Parse([]string{"node1", "node3=3", "node2=2"})
	if err != nil {
		t.Fatal(err)
	}
	want := mustNew(t, Node{"node1", 1}, Node{"node2", 2}, Node{"node3", 3})
	if diff := cmp.Diff(want.Nodes(), r.Nodes()); diff != "" || !r.Has("node3") || r.Has("node4") || (*Ring)(nil).Has("") {
		t.Error(diff)
	}
	for _, bad := range []string{"", "node1=", "node1=x", "node1=0", "=1"} {
		if _, err := Parse([]string{bad}); err == nil {
			t.Errorf("%q passes", bad)
		}
	}
}
