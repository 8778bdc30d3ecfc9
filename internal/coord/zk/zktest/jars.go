package zktest

import (
	"context"
	"crypto/sha256"
	_ "embed" // of the file below
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
)

//go:embed pom.xml
var pom []byte

// jars is the folder with exactly what pom.xml names, fetched if need be.
var jars = sync.OnceValues(func() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no folder for ZooKeeper's jars: %w", err)
	}
	version := sha256.Sum256(pom)
	dir := filepath.Join(cache, "gopush", "zookeeper-"+hex.EncodeToString(version[:6]))
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	return dir, fetch(dir)
})

// fetch fills a folder of its own and then gives it the name, so that dir is
// complete or not there, also if several do this at once.
func fetch(dir string) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	work, err := os.MkdirTemp(filepath.Dir(dir), "fetch-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }() // what is left is of no use
	if err := os.WriteFile(filepath.Join(work, "pom.xml"), pom, 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(context.Background(), "mvn", "-B", "-q", "dependency:copy-dependencies", "-DoutputDirectory=jars")
	cmd.Dir = work
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("fetch ZooKeeper with Maven (Debian: maven): %w\n%s", err, out)
	}
	if err := os.Rename(filepath.Join(work, "jars"), dir); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}
