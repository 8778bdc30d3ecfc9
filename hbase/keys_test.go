package hbase

import (
	"testing"

	"gopush/message"
	"gopush/message/storetest"
)

// Broken once by a scan that ends with its first region, and by one that begins at the key itself.
func TestKeys(t *testing.T) {
	for _, breathe := range []int{0, 2} {
		storetest.Keys(t, func(t *testing.T, clock *storetest.Clock) message.Store {
			c := newFakeCluster(clock.Now)
			c.breathe = breathe
			for _, edge := range []string{"t4", "t8", "tc", "z"} {
				c.split([]byte(edge))
			}
			return openFake(t, c, nil)
		})
	}
}

func TestRealKeys(t *testing.T) {
	table := realTable(t, "t4", "t8", "tc")
	storetest.Keys(t, func(t *testing.T, clock *storetest.Clock) message.Store { return openReal(t, table, clock.Now) })
}
