package hbasetest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tsuna/gohbase"
	"github.com/tsuna/gohbase/hrpc"
	"github.com/tsuna/gohbase/pb"
)

const family = "m"

// stackTest is a stack with one table of two regions, and a client.
type stackTest struct {
	*Stack
	table string
}

// rows are one in each region.
var rows = []string{"a", "z"}

// TestStack takes one stack from its start to its end. What else can be done to one, the
// scenarios of faults do, which look at more than a few rows.
func TestStack(t *testing.T) {
	s := &stackTest{Stack: New(t, Options{})}
	// Each of them needs what the one before it leaves.
	_ = t.Run("serves", s.serves) &&
		t.Run("kill everything", s.killEverything) &&
		t.Run("close", s.closes)
}

func (s *stackTest) serves(t *testing.T) {
	s.table = UniqueName(t)
	s.createTable(t)
	s.put(t, "first")
	s.holds(t, "first")
	for _, row := range rows {
		if s.holder(t, row).PID() == 0 {
			t.Errorf("row %q is with a process that does not run", row)
		}
	}
	t.Setenv(ZooKeeperEnv, s.ZooKeeper())
	if addr := Shared(t); addr != s.ZooKeeper() {
		t.Errorf("the stack to share is at %s, want %s", addr, s.ZooKeeper())
	}
	if _, err := s.Holder(t.Context(), "none", nil); err == nil || !strings.Contains(err.Error(), `"none"`) {
		t.Errorf("the holder of a table that is not there: %v", err)
	}
	if meta, err := s.Holder(t.Context(), MetaTable, nil); err != nil || !slices.Contains(s.RegionServers(), meta) {
		t.Errorf("%s is with %v (%v)", MetaTable, meta, err)
	}
}

// What was written is there after everything was killed at once. It does not
// matter that HDFS comes back last.
func (s *stackTest) killEverything(t *testing.T) {
	addr := s.ZooKeeper()
	s.put(t, "before the end")
	must(t, s.KillAll())
	for _, p := range s.Processes() {
		if p.PID() != 0 {
			t.Errorf("%s runs", p.Name())
		}
	}
	if err := s.Master().Kill(); err == nil {
		t.Error("a process can be killed twice")
	}
	if err := s.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "does not run") {
		t.Errorf("with nothing running, the stack serves: %v", err)
	}
	for _, p := range s.Processes() {
		if p != s.NameNode() {
			must(t, p.Start())
		}
	}
	eventually(t, "the master looks for HDFS", func() bool {
		var now pb.Master
		return s.cluster().node(t.Context(), "/hbase/master", &now) == nil && s.Master().is(serverOf(now.GetMaster()))
	})
	must(t, s.StartAll())
	s.recovers(t)
	if err := s.Master().Start(); err == nil {
		t.Error("a process can be started twice")
	}
	if s.ZooKeeper() != addr {
		t.Errorf("ZooKeeper was %s and is %s", addr, s.ZooKeeper())
	}
	s.holds(t, "before the end")
}

func (s *stackTest) closes(t *testing.T) {
	must(t, s.Close())
	for _, p := range s.Processes() {
		if p.PID() != 0 {
			t.Errorf("%s runs", p.Name())
		}
	}
	if err := s.Master().Start(); err == nil {
		t.Error("a process can start after the end")
	}
	if _, err := os.Stat(s.Dir()); !os.IsNotExist(err) {
		t.Errorf("the folder: %v", err)
	}
}

func (s *stackTest) createTable(t *testing.T) {
	t.Helper()
	create := hrpc.NewCreateTable(t.Context(), []byte(s.table), map[string]map[string]string{family: nil}, hrpc.SplitKeys([][]byte{[]byte("m")}))
	if _, err := s.cluster().master(t.Context(), create); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the table is open", func() bool {
		list, err := s.Regions(t.Context())
		open := slices.DeleteFunc(list, func(r Region) bool { return r.Table != s.table || r.State != "OPEN" })
		return err == nil && len(open) == len(rows)
	})
}

func (s *stackTest) holder(t *testing.T, row string) *Process {
	t.Helper()
	p, err := s.Holder(t.Context(), s.table, []byte(row))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (s *stackTest) recovers(t *testing.T) {
	t.Helper()
	began := time.Now()
	must(t, s.Wait(t.Context()))
	t.Logf("HBase serves after %s", time.Since(began).Round(100*time.Millisecond))
}

// put writes a value to each row, with a client of its own.
func (s *stackTest) put(t *testing.T, value string) {
	t.Helper()
	s.eachRow(t, func(ctx context.Context, c gohbase.Client, row string) error {
		put, err := hrpc.NewPutStr(ctx, s.table, row, map[string]map[string][]byte{family: {"q": []byte(value)}})
		if err != nil {
			return err
		}
		_, err = c.Put(put)
		return err
	})
}

// holds reads what put has written.
func (s *stackTest) holds(t *testing.T, value string) {
	t.Helper()
	s.eachRow(t, func(ctx context.Context, c gohbase.Client, row string) error {
		get, err := hrpc.NewGetStr(ctx, s.table, row)
		if err != nil {
			return err
		}
		result, err := c.Get(get)
		if err == nil && (len(result.Cells) != 1 || !bytes.Equal(result.Cells[0].Value, []byte(value))) {
			return fmt.Errorf("%v is there, want %q", result.Cells, value)
		}
		return err
	})
}

func (s *stackTest) eachRow(t *testing.T, f func(ctx context.Context, c gohbase.Client, row string) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	client := gohbase.NewClient(s.ZooKeeper())
	defer client.Close()
	for _, row := range rows {
		if err := f(ctx, client, row); err != nil {
			t.Fatalf("row %q: %v", row, err)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
