package hbasetest

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// Options say what to start. The zero value is right for most tests.
type Options struct {
	// Dir holds the data, the configuration and the logs, and stays. If there is
	// data in it already, HBase goes on with that. Empty: a temporary folder,
	// which Close removes.
	Dir string
	// RegionServers is their number; 0: 2.
	RegionServers int
	// SessionTimeout is how long ZooKeeper waits before it counts a master or a
	// region server that went silent as dead; 0: 6 s.
	SessionTimeout time.Duration
	// Port is ZooKeeper's; the other processes get the ports behind it. 0: all
	// of them get ports that are free.
	Port int
	// Throughput has the JVMs compile for speed, which makes the start slower.
	Throughput bool
	// DataNodes is their number; 0: 1. Each of them has all data, and HBase goes on as
	// long as one of them can write.
	DataNodes int
	// DataNodeBytes is the size of the first data node's disk, which then is in memory and
	// gone when the stack ends; see FillDisk. 0: a folder on the disk of this machine.
	DataNodeBytes int64
	// Settings are for the master and the region servers, such as
	// "hbase.balancer.period"; they go before those of this package.
	Settings map[string]string
	// Progress gets a line for each step of the start; nil: nobody does.
	Progress io.Writer
}

// Bounds of what can be asked for.
const (
	maxRegionServers  = 16
	maxDataNodes      = 3
	minSessionTimeout = time.Second
	maxSessionTimeout = 2 * time.Minute
	minDataNodeBytes  = 128 << 20
)

// Validate fills in the defaults.
func (o *Options) Validate() error {
	if o.RegionServers == 0 {
		o.RegionServers = 2
	}
	if o.DataNodes == 0 {
		o.DataNodes = 1
	}
	if o.SessionTimeout == 0 {
		o.SessionTimeout = 6 * time.Second
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	switch last := o.Port + 3 + o.RegionServers; {
	case o.RegionServers < 0 || o.RegionServers > maxRegionServers:
		return fmt.Errorf("%d region servers; 1 to %d are possible", o.RegionServers, maxRegionServers)
	case o.DataNodes < 0 || o.DataNodes > maxDataNodes:
		return fmt.Errorf("%d data nodes; 1 to %d are possible", o.DataNodes, maxDataNodes)
	case o.SessionTimeout < minSessionTimeout || o.SessionTimeout > maxSessionTimeout:
		return fmt.Errorf("a session timeout of %s; %s to %s are possible", o.SessionTimeout, minSessionTimeout, maxSessionTimeout)
	case o.DataNodeBytes < 0 || o.DataNodeBytes > 0 && o.DataNodeBytes < minDataNodeBytes:
		return fmt.Errorf("a disk of %d bytes for the data node; at least %d are needed", o.DataNodeBytes, minDataNodeBytes)
	case o.Port < 0 || last > 65535:
		return errors.New("the ports have to lie between 1 and 65535")
	}
	return nil
}
