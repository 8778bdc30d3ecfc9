package serve

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// lockFolder makes the data folder if need be and takes it for this process
// alone: two that write into it would give ids twice. The lock ends with the
// process, however it ends.
func lockFolder(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	path := filepath.Join(dir, lockFile)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer func() { _ = f.Close() }() // nothing was written
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("the data folder %s is in use%s; stop that one, or choose another folder with --data", dir, by(f))
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if err := syncParent(dir); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	// Who holds it is only for the message above.
	if err := errors.Join(f.Truncate(0), write(f, strconv.Itoa(os.Getpid()))); err != nil {
		return nil, errors.Join(fmt.Errorf("data folder: %w", err), f.Close())
	}
	return f, nil
}

// syncParent makes the name of a new data folder durable: all that is synced
// inside of it would be lost with it.
func syncParent(dir string) error {
	parent, err := os.Open(filepath.Dir(dir))
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	if err := errors.Join(parent.Sync(), parent.Close()); err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	return nil
}

// write replaces the beginning of the file by one line.
func write(f *os.File, text string) error {
	_, err := f.WriteAt([]byte(text+"\n"), 0)
	return err
}

// by names the process that wrote its id into the lock.
func by(f *os.File) string {
	b, err := io.ReadAll(io.LimitReader(f, 32))
	if _, bad := strconv.Atoi(strings.TrimSpace(string(b))); err != nil || bad != nil {
		return ""
	}
	return " by the process " + strings.TrimSpace(string(b))
}

// InUse names the process that uses a data folder; "" for nobody. It takes the
// lock for a moment, if it is free.
func InUse(dir string) (who string, err error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR, 0)
	if os.IsNotExist(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("data folder: %w", err)
	}
	defer func() { _ = f.Close() }() // nothing was written
	switch err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); {
	case errors.Is(err, syscall.EWOULDBLOCK):
		if who = strings.TrimPrefix(by(f), " by "); who == "" {
			who = "another process"
		}
		return who, nil
	case err != nil:
		return "", fmt.Errorf("lock of the data folder: %w", err)
	default:
		return "", nil
	}
}
