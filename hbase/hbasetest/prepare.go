package hbasetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// prepare makes sure that the cache holds what every stack starts from: the
// jars, and the folder of a name node that has just been formatted. It returns
// the path of the latter.
func (s *Stack) prepare(ctx context.Context) (formatted string, err error) {
	cache, err := cacheDir()
	if err != nil {
		return "", err
	}
	unlock, err := lockFile(ctx, cache+".lock", func() { s.say("another process prepares the jars") })
	if err != nil {
		return "", err
	}
	defer unlock()
	want, err := parseSums(sums)
	if err != nil {
		return "", err
	}
	lib := filepath.Join(cache, "jars")
	if err := fetchJars(ctx, lib, want, s.say); err != nil {
		return "", err
	}
	if s.java, err = newJava(ctx, lib, want, s.opts.Throughput); err != nil {
		return "", err
	}
	formatted = filepath.Join(cache, "name")
	if _, err := os.Stat(formatted); err == nil {
		return formatted, nil
	}
	s.say("formatting an HDFS, once")
	return formatted, s.format(ctx, formatted)
}

// format makes a name node's folder. It appears complete or not at all.
func (s *Stack) format(ctx context.Context, path string) error {
	work, err := os.MkdirTemp(filepath.Dir(path), "format-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }() // what is in it by then is of no use
	conf, name := filepath.Join(work, "conf"), filepath.Join(work, "name")
	err = errors.Join(
		os.Mkdir(filepath.Join(work, "tmp"), 0o700),
		writeConfig(conf, map[string]string{"log4j.properties": logConfig, "hdfs-site.xml": site(settings{"dfs.namenode.name.dir": name})}),
	)
	if err != nil {
		return err
	}
	cmd := s.java.command(ctx, work, conf, nameNodeHeap, nameNodeClass, "-format", "-nonInteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("format an HDFS: %w:\n%s", err, tail(out, 20))
	}
	return os.Rename(name, path)
}

// makeDir makes the stack's folder, with an empty HDFS if there is none in it,
// and keeps others out of it.
func (s *Stack) makeDir(formatted string) (err error) {
	if s.opts.Dir == "" {
		s.dir, err = os.MkdirTemp("", "gopush-hbase-")
	} else {
		s.dir, err = filepath.Abs(s.opts.Dir)
	}
	for _, sub := range []string{"logs", "tmp", "zookeeper"} {
		err = errors.Join(err, os.MkdirAll(filepath.Join(s.dir, sub), 0o700))
	}
	if err != nil {
		return err
	}
	if s.unlock, err = tryLock(filepath.Join(s.dir, "lock")); err != nil {
		return err
	}
	name := filepath.Join(s.dir, "name")
	if _, err := os.Stat(name); err == nil {
		return nil
	}
	fresh := name + ".new"
	return errors.Join(os.RemoveAll(fresh), os.CopyFS(fresh, os.DirFS(formatted)), os.Rename(fresh, name))
}
