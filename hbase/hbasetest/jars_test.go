package hbasetest

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakeMaven puts a program called mvn on the path. It copies a folder to where
// Maven would put the jars, and notes that it ran.
func fakeMaven(t *testing.T, files map[string]string) (runs func() int) {
	t.Helper()
	from, bin, log := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "log")
	for name, text := range files {
		write(t, filepath.Join(from, name), text)
	}
	script := "#!/bin/sh\necho run >> '" + log + "'\ntest -s pom.xml || exit 7\n" +
		"for arg; do case $arg in -Djars=*) cp '" + from + "'/* \"${arg#-Djars=}\"; exit;; esac; done\nexit 8\n"
	write(t, filepath.Join(bin, "mvn"), script)
	must(t, os.Chmod(filepath.Join(bin, "mvn"), 0o700))
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	return func() int {
		text, err := os.ReadFile(log)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		return strings.Count(string(text), "run")
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o600))
}

func sumsOf(files map[string]string) map[string]string {
	want := make(map[string]string)
	for name, text := range files {
		sum := sha256.Sum256([]byte(text))
		want[name] = hex.EncodeToString(sum[:])
	}
	return want
}

var someJars = map[string]string{"a.jar": "first", "b.jar": "second"}

func TestFetchJars(t *testing.T) {
	damage := map[string]func(dir string) error{
		"nothing": func(string) error { return nil },
		"missing": func(dir string) error { return os.Remove(filepath.Join(dir, "a.jar")) },
		"half":    func(dir string) error { return os.Truncate(filepath.Join(dir, "a.jar"), 2) },
		"altered": func(dir string) error { return os.WriteFile(filepath.Join(dir, "b.jar"), []byte("Second"), 0o600) },
		"one more": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "c.jar"), []byte("third"), 0o600)
		},
		"all gone": os.RemoveAll,
	}
	for name, harm := range damage {
		t.Run(name, func(t *testing.T) {
			runs := fakeMaven(t, someJars)
			dir := filepath.Join(t.TempDir(), "jars")
			must(t, fetchJars(t.Context(), dir, sumsOf(someJars), func(string) {}))
			must(t, harm(dir))
			must(t, fetchJars(t.Context(), dir, sumsOf(someJars), func(string) {}))
			want := 2
			if name == "nothing" {
				want = 1
			}
			if n := runs(); n != want {
				t.Errorf("Maven ran %d times, want %d", n, want)
			}
			got, err := sumFiles(dir)
			if diff := cmp.Diff(sumsOf(someJars), got); diff != "" || err != nil {
				t.Errorf("the jars: %v (-want +got)\n%s", err, diff)
			}
		})
	}
}

// What Maven brings is checked too, and never takes the place of what is used.
func TestFetchJarsRefuses(t *testing.T) {
	fakeMaven(t, map[string]string{"a.jar": "first", "b.jar": "forged"})
	dir := filepath.Join(t.TempDir(), "jars")
	err := fetchJars(t.Context(), dir, sumsOf(someJars), func(string) {})
	if err == nil || !strings.Contains(err.Error(), "b.jar is damaged") {
		t.Errorf("a forged jar: %v", err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder of jars: %v", err)
	}
}

func TestNoMaven(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	err := fetchJars(t.Context(), filepath.Join(t.TempDir(), "jars"), sumsOf(someJars), func(string) {})
	if err == nil || !strings.Contains(err.Error(), "install it") {
		t.Errorf("without Maven: %v", err)
	}
}

func TestMavenFails(t *testing.T) {
	bin := t.TempDir()
	write(t, filepath.Join(bin, "mvn"), "#!/bin/sh\necho no such artifact\nexit 1\n")
	must(t, os.Chmod(filepath.Join(bin, "mvn"), 0o700))
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	err := fetchJars(t.Context(), filepath.Join(t.TempDir(), "jars"), sumsOf(someJars), func(string) {})
	if err == nil || !strings.Contains(err.Error(), "no such artifact") {
		t.Errorf("the error does not say what Maven said: %v", err)
	}
}

func TestParseSums(t *testing.T) {
	want, err := parseSums(sums)
	if err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"hbase-server-2.6.4", "hadoop-hdfs-3.4.2", "zookeeper-3.8.4"} {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(want)), func(name string) bool { return strings.HasPrefix(name, prefix) }) {
			t.Errorf("no jar is called %s", prefix)
		}
	}
	sum := strings.Repeat("0", 64)
	for _, bad := range []string{"x", sum, sum + "  ../a.jar\n", sum[1:] + "  a.jar\n", "\n"} {
		if _, err := parseSums(bad); err == nil {
			t.Errorf("%q counts as sums", bad)
		}
	}
}

func TestCacheDir(t *testing.T) {
	base := t.TempDir()
	t.Setenv(CacheEnv, base)
	dir, err := cacheDir()
	if err != nil || filepath.Dir(dir) != base {
		t.Errorf("the cache is %s (%v), not in %s", dir, err, base)
	}
	for _, env := range []string{CacheEnv, "HOME", "XDG_CACHE_HOME"} {
		t.Setenv(env, "")
	}
	if _, err := cacheDir(); err == nil || !strings.Contains(err.Error(), CacheEnv) {
		t.Errorf("without a home: %v", err)
	}
}

func TestTail(t *testing.T) {
	for text, want := range map[string]string{"": "", "a\n": "a", "a\nb\nc\n": "b\nc", "a\n\nc": "\nc"} {
		if got := tail([]byte(text), 2); got != want {
			t.Errorf("tail of %q is %q, want %q", text, got, want)
		}
	}
}
