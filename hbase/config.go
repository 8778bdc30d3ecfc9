package hbase

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tsuna/gohbase/hrpc"
)

// Durability says where a write is when HBase acknowledges it.
type Durability string

// The durabilities, the safest first.
const (
	// Fsync is on the disks of the data nodes. It is the default.
	Fsync Durability = "fsync"
	// Sync is in the memory of several data nodes: it survives the end of
	// processes, not a power cut of all of them.
	Sync Durability = "sync"
	// Async is in the memory of one region server: its end may lose what was
	// acknowledged.
	Async Durability = "async"
)

func (d Durability) option() (hrpc.DurabilityType, error) {
	switch d {
	case Fsync:
		return hrpc.FsyncWal, nil
	case Sync:
		return hrpc.SyncWal, nil
	case Async:
		return hrpc.AsyncWal, nil
	default:
		return 0, fmt.Errorf("hbase: Durability %q is unknown; take %s, %s or %s", d, Fsync, Sync, Async)
	}
}

// Config says where HBase is and how it is used. Zero values mean the default
// that each field names.
type Config struct {
	// ZooKeeper are the addresses of HBase's ZooKeeper, host:port, with commas
	// between them. Required.
	ZooKeeper string
	// Root is the znode that HBase keeps its own below; default /hbase.
	Root string
	// Table is the table of messages, as namespace:table; default gopush:messages.
	Table string
	// Durability is where a write is when it is acknowledged; default Fsync.
	Durability Durability
	// Keep is how long a message leaves its place after it was pushed, even if
	// it expired before: so long a reader that was away can be told exactly
	// what it missed. Default 30 days, at least IdempotencyLife.
	Keep time.Duration
	// IdempotencyLife is how long an idempotency key is kept at the least;
	// default 24 h. It is kept as long as its message if that lives longer.
	IdempotencyLife time.Duration
	// Timeout bounds each call of HBase, with everything that is tried again
	// in it; default 10 s. A context may end a call before.
	Timeout time.Duration
	// Stall is how long a region server may answer nothing at all while it is
	// waited for, before its connection is given up and its regions are looked
	// up again; default 3 s. Give more than the longest pause of the servers'
	// garbage collection.
	Stall time.Duration
	// Concurrency bounds the calls of HBase under way; default 1,024. Others
	// wait within their deadline.
	Concurrency int
	// Batch bounds the calls that share one request to a region server;
	// default 100.
	Batch int
}

// Validate fills in the defaults and reports fields out of range.
func (c *Config) Validate() error {
	c.fill()
	if strings.TrimSpace(c.ZooKeeper) == "" {
		return errors.New("hbase: Config.ZooKeeper is empty; give the addresses of HBase's ZooKeeper, host:port")
	}
	if c.Timeout < 0 || c.Stall < 0 || c.Concurrency < 0 || c.Batch < 0 || c.IdempotencyLife < 0 {
		return errors.New("hbase: Timeout, Stall, Concurrency, Batch and IdempotencyLife must not be negative")
	}
	if c.Keep < c.IdempotencyLife {
		return fmt.Errorf("hbase: Keep is %s; it must not be below IdempotencyLife, %s", c.Keep, c.IdempotencyLife)
	}
	_, err := c.Durability.option()
	return err
}

func (c *Config) fill() {
	orDefault(&c.Root, "/hbase")
	orDefault(&c.Table, "gopush:messages")
	orDefault(&c.Durability, Fsync)
	orDefault(&c.Keep, 30*24*time.Hour)
	orDefault(&c.IdempotencyLife, 24*time.Hour)
	orDefault(&c.Timeout, 10*time.Second)
	orDefault(&c.Stall, 3*time.Second)
	orDefault(&c.Concurrency, 1024)
	orDefault(&c.Batch, 100)
}

// orDefault sets *field to value if it is zero.
func orDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
