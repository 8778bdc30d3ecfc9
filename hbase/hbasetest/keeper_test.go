package hbasetest

import (
	"fmt"
	"os/exec"
	"syscall"
	"testing"
)

// The end of the pipe kills the group, whoever is in it and whatever it ignores.
func TestKeeper(t *testing.T) {
	k, err := startKeeper()
	if err != nil {
		t.Fatal(err)
	}
	var members []*exec.Cmd
	for _, script := range []string{"exec sleep 600", "trap '' INT TERM; while :; do sleep 600; done"} {
		cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", script)
		cmd.SysProcAttr = k.attr()
		must(t, cmd.Start())
		members = append(members, cmd)
	}
	// Such signals come from a terminal, and are not for the group.
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		must(t, k.cmd.Process.Signal(sig))
	}
	for _, cmd := range members {
		if !running(cmd.Process.Pid) {
			t.Errorf("%s has ended", cmd)
		}
	}
	must(t, k.stdin.Close()) // as the end of this process would
	for _, cmd := range members {
		_ = cmd.Wait() // it is killed; what counts comes next
		eventually(t, fmt.Sprintf("%s ends", cmd), func() bool { return !running(cmd.Process.Pid) })
	}
	k.killAll()
	late := exec.CommandContext(t.Context(), "/bin/sh", "-c", "sleep 600")
	late.SysProcAttr = k.attr()
	if err := late.Start(); err == nil {
		t.Error("a process can join a group that is gone")
		_ = late.Process.Kill()
	}
}
