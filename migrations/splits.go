package migrations

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"gopush/internal/push"
)

// alphabets are what keys are usually made of, in the order of their bytes.
var alphabets = map[string]string{
	"any":    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
	"digits": "0123456789",
	"hex":    "0123456789abcdef",
}

const maxRegions = 4096

// splits are the row keys at which a new table is cut, in order. All rows of a
// subscription key begin with it, so a split between two keys cuts no key in
// two. The public stream and the reserved rows sort before every key, and are
// in the first region.
func (o *Options) splits() ([][]byte, error) {
	if len(o.Splits) > 0 {
		if o.Regions != 0 || o.Prefix != "" || o.Alphabet != "" {
			return nil, errors.New("split keys are given one by one, so a number of regions, a prefix or an alphabet says nothing; leave those out")
		}
		return given(o.Splits)
	}
	alphabet := o.Alphabet
	if alphabet == "" {
		alphabet = "any"
	}
	letters, ok := alphabets[alphabet]
	switch {
	case !ok:
		return nil, fmt.Errorf("the alphabet %q is unknown; take any, digits or hex", o.Alphabet)
	case o.Regions < 0 || o.Regions > maxRegions:
		return nil, fmt.Errorf("%d regions are out of range; take 1 to %d", o.Regions, maxRegions)
	case o.Prefix != "":
		if _, err := push.ParseKey(o.Prefix); err != nil {
			return nil, fmt.Errorf("the prefix %q is not the beginning of a subscription key: %w", o.Prefix, err)
		}
	}
	return even(o.Regions, o.Prefix, letters), nil
}

func given(keys []string) ([][]byte, error) {
	if len(keys) >= maxRegions {
		return nil, fmt.Errorf("%d split keys are too many; take up to %d", len(keys), maxRegions-1)
	}
	var all [][]byte
	for _, k := range keys {
		if _, err := push.ParseKey(k); err != nil {
			return nil, fmt.Errorf("the split key %q cannot be a subscription key: %w", k, err)
		}
		all = append(all, []byte(k))
	}
	slices.SortFunc(all, bytes.Compare)
	for i := 1; i < len(all); i++ {
		if bytes.Equal(all[i-1], all[i]) {
			return nil, fmt.Errorf("the split key %q is there twice; remove one", all[i])
		}
	}
	return all, nil
}

// splitLetters is how many letters behind the prefix a split has: 62^4, and even
// 10^4, are far more than the regions that there can be.
const splitLetters = 4

// even cuts the keys that begin with prefix, and go on with letters that are
// equally likely, into n parts. Lowest letters at the end of a split are left
// off, as that moves no key.
func even(n int, prefix, letters string) [][]byte {
	base := len(letters)
	space := 1
	for range splitLetters {
		space *= base
	}
	var all [][]byte
	for i := 1; i < n; i++ {
		digits := make([]byte, splitLetters)
		for j, rest := splitLetters-1, space*i/n; j >= 0; j, rest = j-1, rest/base {
			digits[j] = letters[rest%base]
		}
		digits = bytes.TrimRight(digits, letters[:1])
		all = append(all, append([]byte(prefix), digits...))
	}
	return all
}
