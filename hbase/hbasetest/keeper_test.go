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
	defer k.killAll() // if the test fails before
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
		eventually(t, fmt.Sprintf("%s ends", cmd), func() bool { return !running(cmd.Process.Pid) })
		_ = cmd.Wait() // it was killed
	}
}
