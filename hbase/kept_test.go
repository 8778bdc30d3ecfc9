package hbase

import (
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"testing"

	"gopush/message/storetest"
)

var update = flag.Bool("update", false, "add what is written now to the cells that are kept")

// What has ever been written into a table is read for ever.
//
// Broken once by another version of claims, by markers with another kind for what is recalled,
// and by watermarks with another timestamp.
func TestKeptCells(t *testing.T) {
	storetest.Kept(t, "testdata/kept", *update, func(t *testing.T, clock *storetest.Clock) storetest.Shelf {
		c := newFakeCluster(clock.Now)
		return storetest.Shelf{Store: openFake(t, c, nil), Rows: c.lines, Put: c.fill}
	})
}

const cellLine = "row %s qualifier %s stamp %d ends %d value %s"

// dash stands for no bytes.
const dash = "-"

func hexOf(b string) string {
	if b == "" {
		return dash
	}
	return hex.EncodeToString([]byte(b))
}

func bytesOf(text string) (string, error) {
	if text == dash {
		return "", nil
	}
	b, err := hex.DecodeString(text)
	return string(b), err
}

// lines are all cells.
func (t *fakeTable) lines() (lines []string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, row := range t.keys {
		for _, q := range slices.Sorted(maps.Keys(t.rows[row])) {
			c := t.rows[row][q]
			lines = append(lines, fmt.Sprintf(cellLine, hexOf(row), hexOf(q), c.stamp, c.expires, hexOf(string(c.value))))
		}
	}
	return lines, nil
}

func (t *fakeTable) fill(lines []string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, line := range lines {
		var text [3]string
		var c fakeCell
		if _, err := fmt.Sscanf(line, cellLine, &text[0], &text[1], &c.stamp, &c.expires, &text[2]); err != nil {
			return fmt.Errorf("%q: %w", line, err)
		}
		row, err1 := bytesOf(text[0])
		q, err2 := bytesOf(text[1])
		value, err3 := bytesOf(text[2])
		if err := errors.Join(err1, err2, err3); err != nil {
			return err
		}
		c.value = []byte(value)
		if t.rows[row] == nil {
			t.rows[row] = make(map[string]fakeCell)
			i, _ := slices.BinarySearch(t.keys, row)
			t.keys = slices.Insert(t.keys, i, row)
		}
		t.rows[row][q] = c
	}
	return nil
}
