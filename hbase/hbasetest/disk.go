package hbasetest

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// blocksDir is where a data node keeps what HDFS holds.
func (s *Stack) blocksDir(p *Process) string {
	return filepath.Join(s.dir, strings.Replace(p.name, "datanode", "blocks", 1))
}

// disk is a file system of its own for a data node, of a chosen size and in memory. It
// is in a mount namespace that a shell holds, so that it outlives the data node, and
// nothing of it is left when the stack ends. Whoever is not root gets a user namespace
// for it.
type disk struct {
	holder *exec.Cmd
	dir    string
}

const diskScript = `mkdir -p "$1" && mount -t tmpfs -o size="$2" tmpfs "$1" && echo ready && exec sleep 2147483647`

// makeDisk starts the holder, as one of the processes that the keeper ends.
func makeDisk(dir string, size int64, k *keeper) (*disk, error) {
	flags := "-m"
	if os.Getuid() != 0 {
		flags = "-Urm"
	}
	cmd := exec.Command("unshare", flags, "/bin/sh", "-c", diskScript, "sh", dir, strconv.FormatInt(size, 10)) //nolint:noctx // it ends with the stack
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = k.attr()
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("a small disk for the data node needs unshare, of util-linux: %w", err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		return nil, errors.Join(fmt.Errorf("a small disk for the data node cannot be mounted: %w", err), cmd.Process.Kill(), cmd.Wait())
	}
	return &disk{holder: cmd, dir: dir}, nil
}

// see has a command that was not started yet see the disk.
func (d *disk) see(cmd *exec.Cmd) {
	args := []string{"nsenter", "-t", strconv.Itoa(d.holder.Process.Pid), "-m", "--wd=" + cmd.Dir}
	if os.Getuid() != 0 {
		args = append(args, "-U", "--preserve-credentials")
	}
	cmd.Args = append(append(args, cmd.Path), cmd.Args[1:]...)
	cmd.Path, cmd.Err = exec.LookPath("nsenter") // of util-linux; Start tells if it is missing
}

// close ends the holder, and so the disk.
func (d *disk) close() {
	_ = d.holder.Process.Kill() // it may be gone with its group
	_ = d.holder.Wait()
}

// FillDisk takes all that is left of the first data node's disk, until the function that
// comes back is called. It needs Options.DataNodeBytes. A data node that ran out of space in
// the middle of a block cannot go on with that block until it is started again; if it is the
// only one, what was synced of the block is lost then.
func (s *Stack) FillDisk() (free func() error, err error) {
	if s.disk == nil {
		return nil, errors.New("the data node has no disk of its own that could be filled")
	}
	// The holder's own view of the file system.
	path := filepath.Join("/proc", strconv.Itoa(s.disk.holder.Process.Pid), "root", s.disk.dir, "filler")
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
