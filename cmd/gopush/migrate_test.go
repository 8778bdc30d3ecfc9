package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gopush/hbase"
	"gopush/hbase/hbasetest"
	"gopush/internal/push"
	"gopush/migrations"
)

// TestMigrateUsage: what cannot be is said before anybody is asked. Nobody
// listens on port 1.
func TestMigrateUsage(t *testing.T) {
	for args, want := range map[string]string{
		"migrate up":                     "store.zookeeper: it is empty",
		"migrate status --zookeeper zk1": "is not an address to connect to",
		"migrate plan --zookeeper 127.0.0.1:1 --table a:b:c":                                            "is not the name of a table",
		"migrate up --zookeeper 127.0.0.1:1 --compression RAR":                                          "the compression \"RAR\" is unknown",
		"migrate up --zookeeper 127.0.0.1:1 --ttl 90d":                                                  "is not a time",
		"migrate up --zookeeper 127.0.0.1:1 --split a --split a":                                        "is there twice",
		"migrate up --zookeeper 127.0.0.1:1 --regions 3 --split a":                                      "one by one",
		"migrate down --zookeeper 127.0.0.1:1":                                                          "--to",
		"migrate down --to 0 --zookeeper 127.0.0.1:1 --lose-messages x":                                 "the table is gopush:messages",
		"migrate down --to 1 --zookeeper 127.0.0.1:1 --table default:x --lose-messages gopush:messages": "the table is x",
		"migrate up --zookeeper 127.0.0.1:1 --znode-parent hbase":                                       "is not the path of a znode",
		"migrate":             "expected one of",
		"serve --store hbase": "store.zookeeper: it is empty",
		"serve --store disk":  "\"disk\" is not known",
		"doctor --store disk": "\"disk\" is not known",
	} {
		got := gopush(t, "", strings.Fields(args)...)
		if got.code != exitUsage || got.out != "" || !strings.Contains(got.err, want) {
			t.Errorf("%s: %+v, want %s", args, got, want)
		}
	}
}

// TestMigrateUnreachable: it can be tried again later, and says where it looked.
func TestMigrateUnreachable(t *testing.T) {
	for _, args := range []string{"up", "plan", "status", "down --to 0"} {
		got := gopush(t, "", strings.Fields("migrate "+args+" --zookeeper 127.0.0.1:1 --timeout 200ms")...)
		if got.code != exitRetry || !strings.Contains(got.err, "HBase cannot be reached: ZooKeeper at 127.0.0.1:1: ") {
			t.Errorf("%s: %+v", args, got)
		}
	}
}

// TestHBaseSettings: the file, then the environment, then the flag.
func TestHBaseSettings(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.yaml")
	if err := os.WriteFile(file, []byte("store: {kind: hbase, zookeeper: [\"file:1\"], table: \"a:b\", znode_parent: /f}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOPUSH_ZOOKEEPER", "env:1,env:2")
	t.Setenv("GOPUSH_STORE", "embedded")
	got := gopush(t, "", "serve", "--config", file, "--table", "c:d", "--print-config")
	for _, want := range []string{"kind: \"embedded\"", "zookeeper: [\"env:1\", \"env:2\"]", "table: \"c:d\"", "znode_parent: \"/f\""} {
		if got.code != exitOK || !strings.Contains(got.out, want) {
			t.Errorf("%d, not %s:\n%s", got.code, want, got.out)
		}
	}
}

// TestHBaseExitCodes: each kind of failure has its own.
func TestHBaseExitCodes(t *testing.T) {
	for _, tt := range []struct {
		err  error
		code int
		text string
	}{
		{&hbase.SchemaError{Problem: "P", Remedy: "R."}, exitFailure, "P. R."},
		{fmt.Errorf("x: %w", &hbase.JavaError{Class: "a.B", Message: "no"}), exitRefused, "x: B: no"},
		{push.E(push.KindConflict, "D"), exitRefused, "D"},
		{fmt.Errorf("step: %w", push.Wrap(push.KindStoreUnavailable, errors.New("E"), "D")), exitRetry, "step: D: E"},
		{push.E(push.KindOutcomeUnknown, "D"), exitRetry, "D"},
		{push.E(push.KindInternal, "D"), exitFailure, "D"},
		{errUnhealthy, exitFailure, errUnhealthy.Error()},
	} {
		if code := exitCode(tt.err); code != tt.code || sentence(tt.err) != tt.text {
			t.Errorf("%v: %d %q", tt.err, code, sentence(tt.err))
		}
	}
}

// TestProgress: a long action is shown now and then, not each time it ticks.
func TestProgress(t *testing.T) {
	a := migrations.Action{Step: 2, Text: "step 2: two"}
	events := []migrations.Progress{{Action: a}}
	for i := range 50 {
		events = append(events, migrations.Progress{Action: a, Took: time.Duration(i+1) * 100 * time.Millisecond})
	}
	events = append(events, migrations.Progress{Note: "look"}, migrations.Progress{Action: a, Took: 5100 * time.Millisecond, Done: true})
	var text, lines bytes.Buffer
	p, j := newProgress(&text, false), newProgress(&lines, true)
	for _, e := range events {
		p.show(e)
		j.show(e)
	}
	want := "step 2: two\n  under way for 2s\n  under way for 4s\n  look\n  done after 5.1s\n"
	if text.String() != want {
		t.Errorf("%s", text.String())
	}
	if first, _, _ := strings.Cut(lines.String(), "\n"); first != `{"step":2,"action":"step 2: two","took_ms":0,"done":false}` || strings.Count(lines.String(), "\n") != 5 {
		t.Error(lines.String())
	}
}

// TestRealMigrate goes through the commands on a real HBase.
func TestRealMigrate(t *testing.T) {
	zookeeper := hbasetest.Shared(t)
	table := fmt.Sprintf("gopush_cmd_test_%08x:messages", rand.Uint32())
	t.Setenv("GOPUSH_ZOOKEEPER", zookeeper)
	t.Setenv("GOPUSH_TABLE", table)
	t.Cleanup(func() { gopush(t, "", "migrate", "down", "--to", "0") })
	run := func(want int, args ...string) outcome {
		t.Helper()
		got := gopush(t, "", args...)
		if got.code != want {
			t.Errorf("%s: %+v", args, got)
		}
		return got
	}
	if got := run(exitFailure, "migrate", "status"); !strings.Contains(got.err, "Run: gopush migrate up --zookeeper "+zookeeper+" --table "+table) {
		t.Errorf("%+v", got)
	}
	if got := run(exitFailure, "doctor", "--store", "hbase"); !strings.Contains(got.out, "wrong    table: HBase has no table "+table) {
		t.Errorf("%+v", got)
	}
	if got := run(exitOK, "migrate", "plan", "--regions", "3"); !strings.HasPrefix(got.out, "1. step 1: create the namespace") || !strings.Contains(got.out, "regions: 3") {
		t.Errorf("%+v", got)
	}
	if got := run(exitRefused, "migrate", "up", "--compression", "LZO"); !strings.Contains(got.err, "nothing was created") {
		t.Errorf("%+v", got)
	}
	got := run(exitOK, "--json", "migrate", "up", "--regions", "3")
	var done struct{ Done []migrations.Action }
	if err := json.Unmarshal([]byte(got.out), &done); err != nil || len(done.Done) != 2 || done.Done[0].Step != 1 {
		t.Errorf("%v %+v", err, got)
	}
	if got := run(exitOK, "migrate", "up"); got.out != "nothing was to be done\n" {
		t.Errorf("%+v", got)
	}
	got = run(exitOK, "--json", "migrate", "status")
	var st migrations.Status
	if err := json.Unmarshal([]byte(got.out), &st); err != nil || st.State != "enabled" || st.Version != hbase.SchemaVersion || st.Problem != "" {
		t.Errorf("%v %+v", err, got)
	}
	if got := run(exitOK, "migrate", "status"); !strings.Contains(got.out, "schema       1, usable from 1 on; nodes are told 1; this program knows 1\n") {
		t.Errorf("%+v", got)
	}
	if got := run(exitOK, "doctor", "--store", "hbase"); !strings.Contains(got.out, "ok       a write: stored, synced and read back") {
		t.Errorf("%+v", got)
	}
	run(exitOK, "migrate", "down", "--to", "0")
}
