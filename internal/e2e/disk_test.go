package e2e

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// disk is a small file system in memory that a test fills up. It is mounted in a namespace
// of its own, which takes no more rights than most users have: only what is started in
// there sees it, and it is gone with the process that keeps it.
type disk struct {
	dir    string // immutable; where it is mounted
	keeper *exec.Cmd
	stdin  io.WriteCloser // takes other sizes, a line each; its end is the keeper's
	said   *bufio.Reader  // "mounted" for each size
}

// diskEnv makes a test binary the keeper of a disk: SIZE:FOLDER, in bytes.
const diskEnv = "GOPUSH_E2E_DISK"

// newDisk mounts a file system of that size; it is gone at the end of the test.
func newDisk(t *testing.T, size int64) *disk {
	t.Helper()
	d := &disk{dir: t.TempDir()}
	d.keeper = exec.Command(os.Args[0])
	d.keeper.Env = append(os.Environ(), fmt.Sprintf("%s=%d:%s", diskEnv, size, d.dir))
	d.keeper.Stderr = os.Stderr
	d.keeper.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if os.Getuid() != 0 {
		d.keeper.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		d.keeper.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}}
		d.keeper.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
		d.keeper.SysProcAttr.AmbientCaps = []uintptr{capSysAdmin}
	}
	var err error
	if d.stdin, err = d.keeper.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := d.keeper.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	const need = "a file system cannot be mounted here: run as root with CAP_SYS_ADMIN, or allow user namespaces " +
		"(sysctl kernel.unprivileged_userns_clone=1, user.max_user_namespaces above 0, and for AppArmor kernel.apparmor_restrict_unprivileged_userns=0)"
	if err := d.keeper.Start(); err != nil {
		t.Fatalf("%s: %v", need, err)
	}
	t.Cleanup(func() {
		_ = d.stdin.Close()
		if err := d.keeper.Wait(); err != nil {
			t.Errorf("the keeper of the disk: %v", err)
		}
	})
	d.said = bufio.NewReader(out)
	if line, err := d.said.ReadString('\n'); line != "mounted\n" {
		t.Fatalf("%s: the keeper says %q, %v", need, line, err)
	}
	return d
}

// capSysAdmin is the number of the right to mount.
const capSysAdmin = 21

// keepDisk makes this process the keeper of a disk, if the environment says so: until its
// input ends.
func keepDisk() {
	text, ok := os.LookupEnv(diskEnv)
	if !ok {
		return
	}
	size, dir, _ := strings.Cut(text, ":")
	// Nothing of this is to be seen outside.
	err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
	if err == nil {
		err = syscall.Mount("gopush", dir, "tmpfs", 0, "mode=0700,size="+size)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "mount:", err)
		os.Exit(1)
	}
	fmt.Println("mounted")
	for sizes := bufio.NewScanner(os.Stdin); sizes.Scan(); {
		// By the keeper, as the command mount is for root alone.
		if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT, "size="+sizes.Text()); err != nil {
			fmt.Println("remount:", err)
			continue
		}
		fmt.Println("mounted")
	}
	os.Exit(0)
}

// enter is the beginning of a command that runs where the disk is seen.
func (d *disk) enter() []string {
	ns := fmt.Sprintf("/proc/%d/ns/", d.keeper.Process.Pid)
	words := []string{"nsenter", "--mount=" + ns + "mnt"}
	if os.Getuid() != 0 {
		words = append(words, "--user="+ns+"user", "--preserve-credentials")
	}
	return append(words, "--")
}

// resize gives the disk another size, as an operator does to a full one.
func (d *disk) resize(t *testing.T, size int64) {
	t.Helper()
	_, err := fmt.Fprintln(d.stdin, size)
	line, readErr := d.said.ReadString('\n')
	if line != "mounted\n" {
		t.Fatalf("the keeper says %q: %v, %v", line, err, readErr)
	}
}

// path is where this process finds a file of the disk.
func (d *disk) path(name string) string {
	return filepath.Join(fmt.Sprintf("/proc/%d/root", d.keeper.Process.Pid), d.dir, name)
}

// free is how many bytes there is room for.
func (d *disk) free(t *testing.T) int64 {
	t.Helper()
	var s syscall.Statfs_t
	if err := syscall.Statfs(d.path(""), &s); err != nil {
		t.Fatal(err)
	}
	return int64(s.Bavail) * s.Bsize //nolint:gosec // a small disk
}

// fill writes a file that leaves only so many bytes of room.
func (d *disk) fill(t *testing.T, name string, left int64) {
	t.Helper()
	f, err := os.Create(d.path(name))
	if err != nil {
		t.Fatal(err)
	}
	block := make([]byte, 64<<10)
	for room := d.free(t); room > left && err == nil; room = d.free(t) {
		_, err = f.Write(block[:min(int64(len(block)), room-left)])
	}
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}
