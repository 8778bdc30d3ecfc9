package hbasetest

import (
	"fmt"
	"path/filepath"
)

// The classes that are run, and how much memory each gets. That is little, and
// enough for some ten thousand messages a second.
const (
	zooKeeperClass    = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
	nameNodeClass     = "org.apache.hadoop.hdfs.server.namenode.NameNode"
	dataNodeClass     = "org.apache.hadoop.hdfs.server.datanode.DataNode"
	masterClass       = "org.apache.hadoop.hbase.master.HMaster"
	regionServerClass = "org.apache.hadoop.hbase.regionserver.HRegionServer"

	zooKeeperHeap    = "64m"
	nameNodeHeap     = "128m"
	dataNodeHeap     = "128m"
	masterHeap       = "256m"
	regionServerHeap = "512m"
)

// What the ports are for, in their order. Whoever has no part in this takes any
// that is free: nobody has to know it.
const (
	portZooKeeper = iota
	portNameNode
	portMaster
	portRegionServers // and those behind it
)

// plan takes the ports, and writes what each process reads.
func (s *Stack) plan() error {
	for i := range portRegionServers + s.opts.RegionServers {
		number := 0
		if s.opts.Port != 0 {
			number = s.opts.Port + i
		}
		p, err := holdPort(number)
		if err != nil {
			return err
		}
		s.ports = append(s.ports, p)
	}
	s.add("zookeeper", zooKeeperClass, zooKeeperHeap, filepath.Join(s.confDir("zookeeper"), "zoo.cfg"))
	s.add("namenode", nameNodeClass, nameNodeHeap)
	s.add("datanode", dataNodeClass, dataNodeHeap)
	for i := 2; i <= s.opts.DataNodes; i++ {
		s.add(fmt.Sprintf("datanode%d", i), dataNodeClass, dataNodeHeap)
	}
	for i := range s.opts.RegionServers {
		s.add(fmt.Sprintf("regionserver%d", i+1), regionServerClass, regionServerHeap, "start").port = s.ports[portRegionServers+i]
	}
	s.add("master", masterClass, masterHeap, "start").port = s.ports[portMaster]
	for _, p := range s.processes {
		if err := writeConfig(s.confDir(p.name), s.files(p)); err != nil {
			return err
		}
	}
	return nil
}

func (s *Stack) add(name, class, heap string, args ...string) *Process {
	p := &Process{name: name, class: class, heap: heap, args: args, stack: s}
	s.processes = append(s.processes, p)
	return p
}

// files are the configuration of a process, by name.
func (s *Stack) files(p *Process) map[string]string {
	files := map[string]string{"log4j.properties": logConfig}
	if p.class == zooKeeperClass {
		files["zoo.cfg"] = s.zooKeeperConfig()
		return files
	}
	files["core-site.xml"] = site(s.coreSettings())
	files["hdfs-site.xml"] = site(s.hdfsSettings(p))
	if p.port != nil {
		files["hbase-site.xml"] = site(s.hbaseSettings(p))
	}
	return files
}
