//go:build compose

package composetest

import (
	"os"
	"testing"
)

// HitsEnv chooses what is hit: nothing for each service once, all for each service in all
// ways, or a list such as web1-kill,zookeeper-pause.
const HitsEnv = "GOPUSH_COMPOSE_HITS"

// TestCompose is the real cluster in containers. That its proof sees what is lost is tested
// in internal/e2e; with the alias of faults.go left out, or a service that is not started
// again, nothing becomes healthy and it fails.
func TestCompose(t *testing.T) { Run(t, "../..", os.Getenv(HitsEnv)) }
