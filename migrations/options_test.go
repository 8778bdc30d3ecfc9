package migrations

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gopush/internal/push"
)

func TestOptions(t *testing.T) {
	for _, good := range []Options{
		{},
		{Compression: "zstd", Encoding: "row_index_v1", BlockBytes: 16 << 10, TTL: 24 * time.Hour, Replication: "1"},
		{TTL: Forever, Regions: 4096, Alphabet: "hex", Prefix: "user-"},
		{Splits: []string{"b", "a"}},
	} {
		if err := good.Validate(); err != nil {
			t.Errorf("%+v: %v", good, err)
		}
	}
	for want, bad := range map[string]Options{
		"compression":        {Compression: "RAR"},
		"encoding":           {Encoding: "UTF-8"},
		"a block of 1":       {BlockBytes: 1},
		"a TTL of 1.5s":      {TTL: 1500 * time.Millisecond},
		"a TTL of 1s":        {TTL: time.Second},
		"replication scope":  {Replication: "2"},
		"alphabet":           {Alphabet: "runes"},
		"4097 regions":       {Regions: 4097},
		"-1 regions":         {Regions: -1},
		"the prefix":         {Prefix: "a\x00"},
		"the split key":      {Splits: []string{""}},
		"cannot be a sub":    {Splits: []string{"a\x01"}},
		"is there twice":     {Splits: []string{"b", "a", "b"}},
		"one by one":         {Splits: []string{"a"}, Regions: 2},
		"must not be negat":  {ProveWithin: -1},
		"are too many; take": {Splits: make([]string, maxRegions)},
	} {
		if err := bad.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", bad, err, want)
		}
	}
}

func TestSplits(t *testing.T) {
	for want, o := range map[string]Options{
		"":                {Regions: 1},
		"V":               {Regions: 2},
		"5":               {Regions: 2, Alphabet: "digits"},
		"4 8 c":           {Regions: 4, Alphabet: "hex"},
		"u-3333 u-6666":   {Regions: 3, Alphabet: "digits", Prefix: "u-"},
		"a b c":           {Splits: []string{"c", "a", "b"}},
		"2 4 6 8 a c e 1": {Splits: []string{"2", "4", "6", "8", "a", "c", "e", "1"}},
	} {
		splits, err := o.splits()
		if err != nil {
			t.Error(err)
		}
		got := strings.Split(string(bytes.Join(splits, []byte(" "))), " ")
		wanted := strings.Split(want, " ")
		slices.Sort(wanted)
		if !slices.Equal(got, wanted) {
			t.Errorf("%+v: %q", o, got)
		}
	}
}

// TestEvenSplits: as many regions as were asked for, in order, no two splits
// the same, and each a key that a user could have.
func TestEvenSplits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := Options{
			Regions:  rapid.IntRange(1, maxRegions).Draw(t, "regions"),
			Alphabet: rapid.SampledFrom([]string{"", "any", "digits", "hex"}).Draw(t, "alphabet"),
			Prefix:   rapid.SampledFrom([]string{"", "u", "user-"}).Draw(t, "prefix"),
		}
		splits, err := o.splits()
		if err != nil || len(splits) != o.Regions-1 {
			t.Fatalf("%d splits, %v", len(splits), err)
		}
		for i, s := range splits {
			if _, err := push.ParseKey(string(s)); err != nil || !strings.HasPrefix(string(s), o.Prefix) {
				t.Fatalf("%q: %v", s, err)
			}
			if i > 0 && bytes.Compare(splits[i-1], s) >= 0 {
				t.Fatalf("%q comes after %q", s, splits[i-1])
			}
		}
	})
}
