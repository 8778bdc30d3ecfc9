package embedded

import (
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"gopush/message/storetest"
)

var update = flag.Bool("update", false, "add what is written now to the rows that are kept")

// What has ever been written into a folder is read for ever.
//
// Broken once by another length of the id in an envelope, by another kind of marker for
// what is recalled, and by watermarks in another order.
func TestKeptRows(t *testing.T) {
	storetest.Kept(t, "testdata/kept", *update, func(t *testing.T, clock *storetest.Clock) storetest.Shelf {
		s := openAt(t, t.TempDir(), clock.Now)
		return storetest.Shelf{Store: s, Rows: s.rowLines, Put: s.putLines}
	})
}

// rowLines are all rows: key and value in hex.
func (s *Store) rowLines() (lines []string, err error) {
	it, err := s.db.NewIter(nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		lines = append(lines, fmt.Sprintf("%x = %x", it.Key(), it.Value()))
	}
	return lines, nil
}

func (s *Store) putLines(lines []string) error {
	for _, line := range lines {
		k, v, _ := strings.Cut(line, " =")
		key, err1 := hex.DecodeString(k)
		value, err2 := hex.DecodeString(strings.TrimSpace(v))
		if err := errors.Join(err1, err2, s.db.Set(key, value, pebble.Sync)); err != nil {
			return err
		}
	}
	return nil
}
