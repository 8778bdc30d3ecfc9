package hbase

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/tsuna/gohbase/hrpc"
	"github.com/tsuna/gohbase/region"
	"github.com/tsuna/gohbase/zk"
)

// What is used of gohbase: its connections, which gather calls into one request
// per server, its calls, and its reading of ZooKeeper. Its own client is not: it
// waits for ever, for servers that hang and in look-ups that outlive it.

const (
	// userOfCalls is who HBase is told that asks.
	userOfCalls = "gopush"
	// keeperSession is short: a session lives for one look-up.
	keeperSession = 6 * time.Second
	// readTimeout is gohbase's own idea of a server that hangs. It moves with
	// each call that is sent, so it ends what nobody uses any more at best.
	readTimeout = time.Minute
)

// dialer makes a connection to the region server at addr, not yet dialled.
type dialer func(addr string) hrpc.RegionClient

// keeper finds where hbase:meta is.
type keeper interface {
	LocateResource(name zk.ResourceName) (string, error)
}

func newDialer(cfg Config) dialer {
	return func(addr string) hrpc.RegionClient {
		// Without a pause to gather calls in: what came while the one before
		// was written makes the next request.
		return region.NewClient(addr, region.RegionClient, cfg.Batch, 0, userOfCalls, readTimeout, nil)
	}
}

// ask asks ZooKeeper. Where gohbase means to end the process, and it does in one
// case, only the look-up ends.
func ask(k keeper, root string) (addr string, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("hbase: what ZooKeeper has below %s is not HBase's: %v", root, r)
		}
	}()
	return k.LocateResource(zk.Meta.Prepend(root))
}

var silenceOnce sync.Once

// silence turns gohbase's log off, which is that of the whole process: what goes
// wrong is in the errors of calls, in metrics and in our own log.
func silence() {
	silenceOnce.Do(func() {
		logrus.SetOutput(io.Discard)
		logrus.SetLevel(logrus.FatalLevel)
		logrus.StandardLogger().ExitFunc = func(int) { panic("gohbase gave up") }
	})
}
