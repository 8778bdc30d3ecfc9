package hbasetest

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
)

func TestLockFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "lock")
	unlock, err := tryLock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tryLock(path); !errors.Is(err, errLocked) {
		t.Errorf("the lock can be had twice: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := lockFile(ctx, path, cancel); !errors.Is(err, context.Canceled) || !errors.Is(err, errLocked) {
		t.Errorf("waiting for a lock ends with its context: %v", err)
	}
	waited := false
	again, err := lockFile(t.Context(), path, func() { waited = true; unlock() })
	if err != nil || !waited {
		t.Fatalf("the lock is free: %v, waited: %t", err, waited)
	}
	again()
}
