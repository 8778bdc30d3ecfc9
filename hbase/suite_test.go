package hbase

import (
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/tsuna/gohbase/hrpc"
	"github.com/tsuna/gohbase/region"
	"go.uber.org/goleak"

	"gopush/message"
	"gopush/message/storetest"
)

var quiet = slog.New(slog.DiscardHandler)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T, clock *storetest.Clock) message.Store {
		return openFake(t, newFakeCluster(clock.Now), nil)
	})
}

// Whatever happens to regions, and however an answer is cut, the answers stay
// the same.
func TestStoreStirred(t *testing.T) {
	storetest.Run(t, func(t *testing.T, clock *storetest.Clock) message.Store {
		c := newFakeCluster(clock.Now)
		c.chunk, c.breathe = 300, 7
		var n atomic.Int64
		c.before = func(_ string, call hrpc.Call) error {
			switch i := n.Add(1); {
			case i%499 == 0:
				return region.RetryableError{}
			case i%11 == 0:
				c.stir()
			}
			return nil
		}
		c.after = func(string, hrpc.Call) error {
			if n.Load()%97 == 0 {
				return region.ErrClientClosed // carried out, but nobody is told
			}
			return nil
		}
		return openFake(t, c, nil)
	})
}
