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
	// Settings are for the master and the region servers, such as
	// "hbase.balancer.period"; they go before those of this package.
	Settings map[string]string
	// Progress gets a line for each step of the start; nil: nobody does.
	Progress io.Writer
}

// Bounds of what can be asked for.
const (
	maxRegionServers  = 16
	minSessionTimeout = time.Second
	maxSessionTimeout = 2 * time.Minute
)

// Validate fills in the defaults.
func (o *Options) Validate() error {
	if o.RegionServers == 0 {
		o.RegionServers = 2
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
	case o.SessionTimeout < minSessionTimeout || o.SessionTimeout > maxSessionTimeout:
		return fmt.Errorf("a session timeout of %s; %s to %s are possible", o.SessionTimeout, minSessionTimeout, maxSessionTimeout)
	case o.Port < 0 || last > 65535:
		return errors.New("the ports have to lie between 1 and 65535")
	}
	return nil
}
