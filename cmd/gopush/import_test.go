package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"gopush/hbase"
	"gopush/hbase/hbasetest"
	"gopush/internal/oldredis/redistest"
	"gopush/internal/push"
)

func TestImportUsage(t *testing.T) {
	for args, want := range map[string]string{
		"import redis --zookeeper 127.0.0.1:1": "--server",
		"import redis --server a:1":            "store.zookeeper: it is empty",

		"import redis --server a:1 --zookeeper 127.0.0.1:1 --password-file no-such-file":         "the password file",
		"import redis --server a:1 --zookeeper 127.0.0.1:1 --rate=-1":                            "may be negative",
		"import redis --server a:1 --zookeeper 127.0.0.1:1 --config no-such-file --dry-run --db": "--db",
	} {
		got := gopush(t, "", strings.Fields(args)...)
		if got.code != exitUsage || got.out != "" || !strings.Contains(got.err, want) {
			t.Errorf("%s: %+v, want %s", args, got, want)
		}
	}
}

// realOld is a Redis with some sets of one message each, behind a prefix and a password.
func realOld(t *testing.T, sets int) (addr string, client *redis.Client) {
	t.Helper()
	addr = redistest.Start(t, "secret")
	client = redis.NewClient(&redis.Options{Addr: addr, Password: "secret", Protocol: 2, DisableIdentity: true})
	t.Cleanup(func() { _ = client.Close() })
	begin := int64(push.IDAt(time.Now().Add(-time.Hour)))
	_, err := client.Pipelined(t.Context(), func(p redis.Pipeliner) error {
		for i := range sets {
			p.ZAdd(t.Context(), fmt.Sprintf("p:k%d", i), redis.Z{
				Score:  float64(begin + int64(i)*1000),
				Member: fmt.Sprintf(`{"msg":%d,"expire":%d}`, i, time.Now().Add(time.Hour).Unix()),
			})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return addr, client
}

// TestRealImport: an import into a real HBase that is killed in the middle is completed by the
// next, and what has come since by the one after that.
func TestRealImport(t *testing.T) {
	const sets = 700
	addr, client := realOld(t, sets)
	at, open := realTable(t)
	dir := t.TempDir()
	line := append([]string{"import", "redis", "--server", addr, "--prefix", "p:", "--checkpoint", filepath.Join(dir, "c.json")}, at...)
	if got := gopush(t, "", line...); got.code != exitRefused || !strings.Contains(got.err, "GOPUSH_REDIS_PASSWORD") {
		t.Errorf("without a password: %+v", got)
	}
	file := filepath.Join(dir, "password")
	if err := os.WriteFile(file, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	line = append(line, "--password-file", file)
	killed(t, append(line, "--rate", "150"), 1)
	result := func(want int, more ...string) importResult {
		t.Helper()
		got := gopush(t, "", append(append([]string{"--json"}, line...), more...)...)
		var r importResult
		if err := json.Unmarshal([]byte(got.out), &r); err != nil || got.code != want {
			t.Errorf("%v %+v", err, got)
		}
		return r
	}
	if r := result(exitOK); r.Imported+r.Present < sets || r.Imported == 0 && r.Before == 0 || r.Failures() != 0 {
		t.Errorf("after the kill: %+v", r)
	}
	store := open()
	for i := range sets {
		page, err := store.Read(t.Context(), push.Key(fmt.Sprintf("k%d", i)), push.Span{Limit: 10})
		if err != nil || len(page.Messages) != 1 || string(page.Messages[0].Body) != strconv.Itoa(i) {
			t.Fatalf("k%d has %+v, %v", i, page, err)
		}
	}
	if err := client.ZAdd(t.Context(), "p:k1", redis.Z{Score: float64(push.IDAt(time.Now())), Member: fmt.Sprintf(`{"msg":"new","expire":%d}`, time.Now().Add(time.Hour).Unix())}).Err(); err != nil {
		t.Fatal(err)
	}
	if r := result(exitOK, "--dry-run", "--match", "p:k1"); r.Imported != 1 || r.Present != 1 || !r.DryRun {
		t.Errorf("dry: %+v", r)
	}
	if r := result(exitOK); r.Imported != 1 || r.Present < sets {
		t.Errorf("the second pass: %+v", r)
	}
	if err := client.Set(t.Context(), "p:text", "x", 0).Err(); err != nil {
		t.Fatal(err)
	}
	got := gopush(t, "", line...)
	if got.code != exitFailure || !strings.Contains(got.out, "failed: 1, not a sorted set") || !strings.Contains(got.out, "\"p:text\"") || !strings.Contains(got.err, "1 message could not be imported") {
		t.Errorf("%+v", got)
	}
}

// brokenOff is how far an import or an export came that was killed, as it said itself.
type brokenOff struct {
	read, stored int
	after        time.Duration
	// By its first line that tells of a message stored.
	firstRead int
	first     time.Duration
}

// killed runs an import or an export as a process of its own, and kills it once it has stored enough.
func killed(t *testing.T, line []string, enough int) (c brokenOff) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), commandEnv+"="+strings.Join(line, "\n"))
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); c.stored < enough && lines.Scan(); {
		n, _ := fmt.Sscanf(lines.Text(), "  %d messages read, %d stored", &c.read, &c.stored)
		if n == 2 && c.stored > 0 && c.first == 0 {
			c.firstRead, c.first = c.read-c.stored, time.Since(began)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	err, c.after = cmd.Wait(), time.Since(began)
	if c.stored < enough || err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("it was not killed in the middle, with %d stored: %v", c.stored, err)
	}
	return c
}

// realTable makes a table of its own on a real HBase, and returns the flags that lead there.
func realTable(t *testing.T, more ...string) (at []string, open func() *hbase.Store) {
	t.Helper()
	zookeeper, table := hbasetest.Shared(t), fmt.Sprintf("gopush_cmd_test_%08x:messages", rand.Uint32())
	at = []string{"--zookeeper", zookeeper, "--table", table}
	if got := gopush(t, "", slices.Concat([]string{"migrate", "up"}, at, more)...); got.code != exitOK {
		t.Fatalf("%+v", got)
	}
	t.Cleanup(func() {
		gopushHere(context.WithoutCancel(t.Context()), "", append([]string{"migrate", "down", "--to", "0", "--lose-messages", table}, at...)...)
	})
	return at, func() *hbase.Store {
		store, err := hbase.Open(hbase.Config{ZooKeeper: zookeeper, Table: table}, slog.New(slog.DiscardHandler), time.Now, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = store.Close() })
		return store
	}
}

// importEnv asks TestImportWhilePushed for more keys than 600, such as 200000 with about a million messages.
const importEnv = "GOPUSH_IMPORT_KEYS"

// TestImportWhilePushed: the old system goes on while an import is killed several times; what follows
// completes it. Each message of Redis that is not over is in the table once.
//
// Broken once by an import that does not ask for the newest message of a key.
func TestImportWhilePushed(t *testing.T) {
	keys, err := strconv.Atoi(cmp.Or(os.Getenv(importEnv), "600"))
	if err != nil || keys < 100 {
		t.Fatalf("%s is %q; it must be a number of keys, 100 or more", importEnv, os.Getenv(importEnv))
	}
	at, open := realTable(t, "--regions", "4", "--alphabet", "hex")
	o := startOldLoad(t, keys)
	t.Logf("%d keys with %d messages", keys, o.count)
	pushing, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- o.push(pushing) }()
	line := append([]string{"import", "redis", "--server", o.addr, "--checkpoint", filepath.Join(t.TempDir(), "c.json")}, at...)
	for n := range 4 {
		c := killed(t, append(line, "--rate", strconv.Itoa(o.count/10)), o.count/12)
		t.Logf("import %d: killed after %v, with %d messages read and %d stored; the first was stored within %v, behind %d that were not to be", n+1, c.after, c.read, c.stored, c.first, c.firstRead)
	}
	pass := func(what string) importResult {
		t.Helper()
		got := gopushHere(t.Context(), "", append([]string{"--json"}, line...)...)
		var r importResult
		if err := json.Unmarshal([]byte(got.out), &r); err != nil || got.code != exitOK || r.Failures() != 0 || r.Moved != 0 {
			t.Errorf("%s: %v %+v", what, err, got)
		}
		t.Logf("%s: %s", what, strings.TrimSpace(got.out))
		return r
	}
	pass("the rest")
	pass("a pass while it is pushed to")
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	pass("the last pass")
	if r := pass("one more"); r.Imported != 0 || r.Present+r.Expired != r.Messages {
		t.Errorf("%+v", r)
	}
	found := o.proved(open())
	pushed := 0
	for _, all := range o.pushed {
		pushed += len(all)
	}
	t.Logf("%d were pushed meanwhile; found: %+v", pushed, found)
}
