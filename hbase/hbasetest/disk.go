package hbasetest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
)

// blocksDir is where the data node keeps what HDFS holds.
func (s *Stack) blocksDir() string { return filepath.Join(s.dir, "blocks") }

// onSmallDisk has a command see a file system of its own at dir, of so many bytes. It is
// in a mount namespace, which ends with the process; whoever is not root gets a user
// namespace for it.
func onSmallDisk(cmd *exec.Cmd, dir string, size int64) {
	const script = `mkdir -p "$0" && mount -t tmpfs -o size="$1" tmpfs "$0" && shift && exec "$@"`
	flags := "-m"
	if os.Getuid() != 0 {
		flags = "-Urm"
	}
	java := cmd.Path
	cmd.Args = append([]string{"unshare", flags, "/bin/sh", "-c", script, dir, strconv.FormatInt(size, 10), java}, cmd.Args[1:]...)
	cmd.Path, cmd.Err = exec.LookPath("unshare") // of util-linux; Start tells if it is missing
}

// FillDisk takes all that is left of the data node's disk, until the function that comes
// back is called. It needs Options.DataNodeBytes.
func (s *Stack) FillDisk() (free func() error, err error) {
	pid := s.DataNode().PID()
	if s.opts.DataNodeBytes == 0 || pid == 0 {
		return nil, errors.New("the data node has no disk of its own that could be filled, or does not run")
	}
	// The process's own view of the file system.
	path := filepath.Join("/proc", strconv.Itoa(pid), "root", s.blocksDir(), "filler")
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("fill the disk: %w", err)
	}
	block := make([]byte, 1<<20)
	for err == nil {
		_, err = f.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return nil, errors.Join(fmt.Errorf("fill the disk: %w", err), f.Close())
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("fill the disk: %w", err)
	}
	return func() error { return os.Remove(path) }, nil
}
