package hbasetest

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fakeJava puts a program called java on the path that only pretends to run
// what lasts. Instead of the master, it complains and ends.
func fakeJava(t *testing.T) {
	t.Helper()
	path, err := exec.LookPath("java")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	write(t, filepath.Join(bin, "java"), "#!/bin/sh\ncase \"$*\" in\n"+
		"*-version*|*-format*) exec '"+path+"' \"$@\";;\n"+
		"*HMaster*) printf 'boom\\n\\tat x.y(z)\\n\\t... 3 more\\n' >&2; exit 1;;\n"+
		"esac\nexec sleep 600\n")
	must(t, os.Chmod(filepath.Join(bin, "java"), 0o700))
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
}

// A start that fails says which process ended and what it logged, leaves the
// logs, and no process.
func TestStartFails(t *testing.T) {
	fakeJava(t)
	t.Setenv("TMPDIR", t.TempDir())
	_, err := Start(t.Context(), Options{RegionServers: 1})
	if err == nil {
		t.Fatal("HBase starts without a master")
	}
	logs, missing := filepath.Glob(filepath.Join(os.TempDir(), "gopush-hbase-*", "logs", "master.log"))
	if missing != nil || len(logs) != 1 {
		t.Fatalf("the logs are in %q (%v)", logs, missing)
	}
	if want := "\n--- master: " + logs[0] + "\nboom\n"; !strings.Contains(err.Error(), "master does not run") || !strings.HasSuffix(err.Error(), want) {
		t.Errorf("the error is %v, want %q at its end", err, want)
	}
}

// A start that is called off leaves nothing running.
func TestStartCalledOff(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	s, err := Begin(ctx, Options{Dir: t.TempDir(), RegionServers: 1})
	if err != nil {
		t.Fatal(err)
	}
	cancel(enough)
	if err := s.Wait(ctx); !errors.Is(err, enough) {
		t.Errorf("waiting ends with %v", err)
	}
	if _, err := Begin(t.Context(), Options{Dir: s.Dir(), RegionServers: 1}); !errors.Is(err, errLocked) {
		t.Errorf("a folder that is in use: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	for _, p := range s.Processes() {
		if p.PID() != 0 {
			t.Errorf("%s runs", p.Name())
		}
	}
}

func TestInvalidOptions(t *testing.T) {
	if _, err := Start(t.Context(), Options{RegionServers: -1}); err == nil {
		t.Error("a negative number of region servers is possible")
	}
}
