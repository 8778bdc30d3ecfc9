package message

import "os"

// broken reports whether that is what is broken in this process.
func broken(what string) bool { return os.Getenv("GOPUSH_E2E_BROKEN") == what }

// trusting: the node stores whatever ids it is sent, whoever sends them.
func trusting() bool { return broken("fencing") || broken("ids") }
