package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"gopush/hbase/hbasetest"
	"gopush/migrations"
)

// TestSnapshotUsage: what cannot be is said before anybody is asked. Nobody listens on port 1.
func TestSnapshotUsage(t *testing.T) {
	for args, want := range map[string]string{
		"snapshot": "expected one of",
		"snapshot take --zookeeper 127.0.0.1:1 a/b": "is not the name of a snapshot",
		"snapshot restore --zookeeper 127.0.0.1:1":  "<name>",
		"snapshot delete --zookeeper 127.0.0.1:1":   "<name>",
		"snapshot list": "store.zookeeper: it is empty",
		"snapshot take --zookeeper 127.0.0.1:1 a b c": "unexpected argument",
	} {
		got := gopush(t, "", strings.Fields(args)...)
		if got.code != exitUsage || got.out != "" || !strings.Contains(got.err, want) {
			t.Errorf("%s: %+v, want %s", args, got, want)
		}
	}
}

// TestRealSnapshot goes through the commands of docs/backup.md on a real HBase.
//
// Broken once by a delete that does nothing.
func TestRealSnapshot(t *testing.T) {
	zookeeper := hbasetest.Shared(t)
	namespace := fmt.Sprintf("gopush_cmd_test_%08x", rand.Uint32())
	table := namespace + ":messages"
	t.Setenv("GOPUSH_ZOOKEEPER", zookeeper)
	t.Setenv("GOPUSH_TABLE", table)
	t.Cleanup(func() {
		gopushHere(context.WithoutCancel(t.Context()), "", "migrate", "down", "--to", "0", "--lose-messages", table)
	})
	run := func(want int, text string, args ...string) outcome {
		t.Helper()
		got := gopush(t, "", args...)
		if got.code != want || !strings.Contains(got.out+got.err, text) {
			t.Errorf("%s: %+v, want %d %s", args, got, want, text)
		}
		return got
	}
	run(exitRefused, "HBase has no table "+table, "snapshot", "take")
	run(exitOK, "done: 2 actions", "migrate", "up", "--regions", "3")
	name := strings.TrimSpace(run(exitOK, namespace+".messages-", "snapshot", "take").out)
	run(exitOK, `{"snapshot":"`+namespace+`-x"}`, "--json", "snapshot", "take", namespace+"-x")
	run(exitRefused, "HBase has a snapshot "+namespace+"-x already", "snapshot", "take", namespace+"-x")
	var list struct{ Snapshots []snapshotLine }
	if err := json.Unmarshal([]byte(run(exitOK, "", "--json", "snapshot", "list").out), &list); err != nil {
		t.Error(err)
	}
	found := 0
	for _, s := range list.Snapshots {
		if s.Table == table && time.Since(s.Taken) < time.Hour {
			found++
		}
	}
	if found != 2 {
		t.Errorf("%d of the two are listed: %+v", found, list)
	}
	run(exitOK, table, "snapshot", "list")
	run(exitRefused, "has no snapshot \""+namespace+"-y\"", "snapshot", "restore", namespace+"-y")
	run(exitRefused, "exists (it is enabled)", "snapshot", "restore", name)
	before := run(exitOK, "restored; what was in the table before is in the snapshot ", "snapshot", "restore", name, "--replace").out
	before = strings.TrimSpace(before[strings.LastIndexByte(before, ' '):])
	run(exitOK, "done: 1 action", "migrate", "down", "--to", "0", "--lose-messages", table)
	run(exitOK, "restored\n", "snapshot", "restore", before)
	var st migrations.Status
	if err := json.Unmarshal([]byte(run(exitOK, "", "--json", "migrate", "status").out), &st); err != nil || total(st.Regions) != 3 || st.Problem != "" {
		t.Errorf("%+v, %v", st, err)
	}
	run(exitRefused, "say --table "+table, "snapshot", "delete", name, "--table", "other")
	for _, s := range []string{name, namespace + "-x", before} {
		run(exitOK, "deleted", "snapshot", "delete", s)
	}
	if out := run(exitOK, "", "snapshot", "list").out; strings.Contains(out, table) {
		t.Errorf("snapshots are left:\n%s", out)
	}
}

func total(regions map[string]int) (n int) {
	for _, some := range regions {
		n += some
	}
	return n
}
