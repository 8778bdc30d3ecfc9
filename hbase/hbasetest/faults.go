package hbasetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// process finds a process by its class.
func (s *Stack) process(class string) *Process {
	i := slices.IndexFunc(s.processes, func(p *Process) bool { return p.class == class })
	return s.processes[i]
}

// ZooKeeperProcess is the one ZooKeeper.
func (s *Stack) ZooKeeperProcess() *Process { return s.process(zooKeeperClass) }

// NameNode is HDFS's keeper of names.
func (s *Stack) NameNode() *Process { return s.process(nameNodeClass) }

// DataNode is HDFS's keeper of blocks, the first if there are several.
func (s *Stack) DataNode() *Process { return s.process(dataNodeClass) }

// Master is the one HBase master.
func (s *Stack) Master() *Process { return s.process(masterClass) }

// RegionServers are those that hold the data.
func (s *Stack) RegionServers() []*Process {
	var list []*Process
	for _, p := range s.processes {
		if p.class == regionServerClass {
			list = append(list, p)
		}
	}
	return list
}

// Processes are all of the stack.
func (s *Stack) Processes() []*Process { return slices.Clone(s.processes) }

// KillAll kills every process that runs, as when the power of the machine
// fails; only what the machine had not yet written to its disks is not lost.
func (s *Stack) KillAll() error {
	var errs []error
	for _, p := range s.processes {
		if p.PID() != 0 {
			errs = append(errs, p.Kill())
		}
	}
	return errors.Join(errs...)
}

// StartAll starts every process that does not run, on the data that is there.
func (s *Stack) StartAll() error {
	for _, p := range s.processes {
		if p.PID() != 0 {
			continue
		}
		if err := p.Start(); err != nil {
			return err
		}
	}
	return nil
}

// Regions lists all regions and where they are.
func (s *Stack) Regions(ctx context.Context) ([]Region, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return s.cluster().regions(ctx)
}

// Holder is the region server that has a row, at the moment. Take MetaTable for
// the one that all others and all clients depend on.
func (s *Stack) Holder(ctx context.Context, table string, row []byte) (*Process, error) {
	list, err := s.Regions(ctx)
	if err != nil {
		return nil, err
	}
	r, err := find(list, table, row)
	if err != nil {
		return nil, err
	}
	for _, p := range s.RegionServers() {
		if p.is(r.Server) {
			return p, nil
		}
	}
	return nil, fmt.Errorf("the region of %q in %s is %s on %s, which does not run any more", row, table, r.State, r.Server)
}
