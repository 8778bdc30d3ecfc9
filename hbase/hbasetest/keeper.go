package hbasetest

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"syscall"
)

// keeper is a shell that leads the process group of all Java processes, and
// kills the group when its standard input ends. This process holds the other
// end of that pipe, so it ends with this process, however that ends. A process
// joins the group before it runs any Java, or does not run at all; so there is no
// moment at which one could be missed. (A parent-death signal would come when
// the thread ends that forked, which is not this process's end.)
type keeper struct {
	cmd   *exec.Cmd
	stdin io.Closer
}

// Nothing but the end of its input ends the shell: Ctrl-C in a terminal is for
// the process that it serves. It says when that holds.
const keeperScript = `trap '' INT TERM HUP QUIT; echo ready; read -r _; kill -9 0`

func startKeeper() (*keeper, error) {
	cmd := exec.Command("/bin/sh", "-c", keeperScript) //nolint:noctx // it ends with its input
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	k := &keeper{cmd: cmd, stdin: stdin}
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		k.killAll()
		return nil, fmt.Errorf("the shell that is to watch over HBase's processes: %w", err)
	}
	return k, nil
}

// attr makes a process a member of the group.
func (k *keeper) attr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pgid: k.cmd.Process.Pid}
}

// killAll ends the group, the shell included. The group's number is taken as
// long as nobody has waited for the shell.
func (k *keeper) killAll() {
	_ = syscall.Kill(-k.cmd.Process.Pid, syscall.SIGKILL) // it may be gone
	_ = k.stdin.Close()
	_ = k.cmd.Wait() // it was killed
}
