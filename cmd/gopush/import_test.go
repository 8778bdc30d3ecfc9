package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
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
	zookeeper, namespace := hbasetest.Shared(t), fmt.Sprintf("gopush_cmd_test_%08x", rand.Uint32())
	table := namespace + ":messages"
	const sets = 700
	addr, client := realOld(t, sets)
	at := []string{"--zookeeper", zookeeper, "--table", table}
	if got := gopush(t, "", append([]string{"migrate", "up"}, at...)...); got.code != exitOK {
		t.Fatalf("%+v", got)
	}
	t.Cleanup(func() {
		gopushHere(context.WithoutCancel(t.Context()), "", append([]string{"migrate", "down", "--to", "0", "--lose-messages", table}, at...)...)
	})
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
	killImport(t, append(line, "--rate", "150"))
	result := func(want int, more ...string) importResult {
		t.Helper()
		got := gopush(t, "", append(append([]string{"--json"}, line...), more...)...)
		var r importResult
		if err := json.Unmarshal([]byte(got.out), &r); err != nil || got.code != want {
			t.Errorf("%v %+v", err, got)
		}
		return r
	}
	if r := result(exitOK); r.Imported+r.Present < sets || r.Imported == 0 || r.Failures() != 0 {
		t.Errorf("after the kill: %+v", r)
	}
	store, err := hbase.Open(hbase.Config{ZooKeeper: zookeeper, Table: table}, slog.New(slog.DiscardHandler), time.Now, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
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

// killImport runs an import as a process of its own, and kills it once it has stored something.
func killImport(t *testing.T, line []string) {
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
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stored := false
	for lines := bufio.NewScanner(out); !stored && lines.Scan(); {
		var read, n int
		_, err := fmt.Sscanf(lines.Text(), "  %d messages read, %d stored", &read, &n)
		stored = err == nil && n > 0
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); !stored || err == nil || !strings.Contains(err.Error(), "killed") {
		t.Errorf("the import was not killed in the middle: %v", err)
	}
}
