package doctor

import (
	"fmt"
	"syscall"
)

// spareFiles are the open files of a node beside its connections.
const spareFiles = 1000

// openFiles compares the limit of open files with the connections that are
// allowed: each takes one. A node raises its soft limit to the hard one itself.
func openFiles(connections int) Finding {
	const check = about("open files")
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return check.say(Unknown, "Look at ulimit -Hn.", "the limit cannot be read: %s", err)
	}
	return judgeFiles(limit.Max, connections)
}

func judgeFiles(hard uint64, connections int) Finding {
	const check = about("open files")
	need := uint64(connections) + spareFiles
	switch {
	case hard >= need:
		return check.ok("up to %d, for %d connections", hard, connections)
	case hard < 2*spareFiles:
		return check.say(Wrong, fmt.Sprintf("Raise the hard limit to %d (LimitNOFILE of systemd, or ulimits of a container).", need),
			"up to %d, which is too few for any use", hard)
	default:
		return check.say(Note, fmt.Sprintf("Raise the hard limit to %d (LimitNOFILE of systemd, or ulimits of a container), or lower comet.max_connections to %d.", need, hard-spareFiles),
			"up to %d, but %d connections are allowed", hard, connections)
	}
}
