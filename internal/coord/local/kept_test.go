package local

import (
	"flag"
	"fmt"
	"testing"

	"gopush/internal/kept"
)

var update = flag.Bool("update", false, "add what is written now to the files that are kept")

// What has ever been written into the folder is read for ever.
//
// Broken once by another first line of each file.
func TestKeptFiles(t *testing.T) {
	check := func(name string, data []byte, read func([]byte) (string, error)) {
		t.Helper()
		means, err := read(data)
		if err != nil {
			t.Fatal(err)
		}
		kept.Check(t, "testdata/kept", name, *update, kept.Sample{Bytes: string(data), Means: means}, func(bytes string) (string, error) {
			return read([]byte(bytes))
		})
	}
	check("state", state{group: "node1", epoch: 3, ceiling: 17957826432757312}.encode(), func(b []byte) (string, error) {
		s, err := decodeState(b)
		return kept.Lines(fmt.Sprintf("%s, epoch %d, ceiling %d", s.group, s.epoch, s.ceiling)), err
	})
	check("groups", encodeGroups([]string{"node1", "node2"}), func(b []byte) (string, error) {
		groups, err := decodeGroups(b)
		return kept.Lines(groups...), err
	})
}
