//go:build compose

package composetest

import (
	"os"
	"testing"
)

// FaultsEnv chooses what is hit: nothing for each service once, all for each service in all
// ways, or a list such as web1-kill,zookeeper-pause.
const FaultsEnv = "GOPUSH_COMPOSE_FAULTS"

// TestCompose is the real cluster in containers. With fsync turned off in hbase-site.xml and
// all data nodes killed at once it would fail; one fault at a time is what is promised.
func TestCompose(t *testing.T) { Run(t, "../..", os.Getenv(FaultsEnv)) }
