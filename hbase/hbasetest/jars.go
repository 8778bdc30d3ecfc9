package hbasetest

import (
	"context"
	"crypto/sha256"
	_ "embed" // of the two files below
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

//go:embed pom.xml
var pom []byte

// sums are lines as sha256sum writes them, one for each jar.
//
//go:embed sums.txt
var sums string

// CacheEnv names the folder that jars and what is made from them are kept in,
// if it is not to be one in the user's cache folder.
const CacheEnv = "GOPUSH_HBASE_CACHE"

// cacheDir is the folder for exactly these jars: another version has another.
func cacheDir() (string, error) {
	base := os.Getenv(CacheEnv)
	if base == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("no folder for the jars of HBase, set %s to one: %w", CacheEnv, err)
		}
		base = filepath.Join(user, "gopush")
	}
	base, err := filepath.Abs(base)
	if err != nil {
		return "", err
	}
	version := sha256.Sum256(append(pom, sums...))
	return filepath.Join(base, "hbase-"+hex.EncodeToString(version[:6])), nil
}

// fetchJars makes sure that dir holds the jars with these sums, all of them and
// unaltered. The caller holds the lock of the cache.
func fetchJars(ctx context.Context, dir string, want map[string]string, say func(string)) error {
	_, missing := os.Stat(dir)
	if missing == nil {
		bad := checkJars(dir, want)
		if bad == nil {
			return nil
		}
		say(fmt.Sprintf("fetching the jars again: %v", bad))
	} else {
		say("fetching the jars of HBase, once (120 MB)")
	}
	fresh := dir + ".new"
	if err := errors.Join(os.RemoveAll(fresh), os.MkdirAll(fresh, 0o700)); err != nil {
		return err
	}
	if err := runMaven(ctx, fresh); err != nil {
		return err
	}
	if err := checkJars(fresh, want); err != nil {
		return fmt.Errorf("what Maven fetched is not what is expected: %w; the folder %s holds it. "+
			"Perhaps its repository in ~/.m2 is damaged", err, fresh)
	}
	return errors.Join(os.RemoveAll(dir), os.Rename(fresh, dir))
}

// runMaven copies the jars into dir.
func runMaven(ctx context.Context, dir string) error {
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return fmt.Errorf("no Maven to fetch the jars of HBase with: install it (Debian: maven): %w", err)
	}
	work, err := os.MkdirTemp("", "gopush-maven-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }() // it is small, and temporary
	if err := os.WriteFile(filepath.Join(work, "pom.xml"), pom, 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, mvn, "-B", "-q", "-Djars="+dir, "dependency:copy-dependencies")
	cmd.Dir = work
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w:\n%s", cmd, err, tail(out, 20))
	}
	return nil
}

// parseSums reads the file names and their sums.
func parseSums(text string) (map[string]string, error) {
	want := make(map[string]string)
	for line := range strings.Lines(text) {
		sum, name, ok := strings.Cut(strings.TrimSpace(line), "  ")
		if !ok || len(sum) != 2*sha256.Size || name != filepath.Base(name) {
			return nil, fmt.Errorf("sums.txt: %q is no sum and a file name", line)
		}
		want[name] = sum
	}
	return want, nil
}

// checkJars compares the files of a folder with their sums. More files than
// expected are an error too: they would be run.
func checkJars(dir string, want map[string]string) error {
	got, err := sumFiles(dir)
	if err != nil {
		return err
	}
	var bad []string
	for name, sum := range want {
		switch got[name] {
		case sum:
		case "":
			bad = append(bad, name+" is missing")
		default:
			bad = append(bad, name+" is damaged")
		}
	}
	for name := range got {
		if want[name] == "" {
			bad = append(bad, name+" is not known")
		}
	}
	if len(bad) == 0 {
		return nil
	}
	slices.Sort(bad)
	return fmt.Errorf("%d files of %s are wrong, such as: %s", len(bad), dir, bad[0])
}

// sumFiles hashes every file of a folder.
func sumFiles(dir string) (map[string]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	hashed := make([]string, len(entries))
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, entry := range entries {
		g.Go(func() (err error) {
			hashed[i], err = sumFile(filepath.Join(dir, entry.Name()))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	got := make(map[string]string, len(entries))
	for i, entry := range entries {
		got[entry.Name()] = hashed[i]
	}
	return got, nil
}

func sumFile(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // it was only read
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// tail is the last n lines of a text.
func tail(text []byte, n int) string {
	lines := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
