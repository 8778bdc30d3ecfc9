package hbasetest

import (
	"encoding/xml"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// host is the name under which every process registers: clients dial what
// HBase tells them.
const host = "127.0.0.1"

// settings of Hadoop and HBase, by name.
type settings map[string]string

func millis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// coreSettings are for every process that uses HDFS.
func (s *Stack) coreSettings() settings {
	return settings{
		"fs.defaultFS":   "hdfs://" + s.ports[portNameNode].addr(),
		"hadoop.tmp.dir": filepath.Join(s.dir, "tmp"),
		// So often the data node tries to reach a name node that is not there yet.
		// (What begins with "dfs." has no effect in this file: Hadoop reads its
		// defaults for that later.)
		"ipc.client.connect.retry.interval": "200",
		"ipc.client.connect.max.retries":    "300",
	}
}

// blockSize is how HDFS cuts files. It begins a block only where there is room for all of
// it, so that a small disk needs small ones.
func (s *Stack) blockSize() string {
	if s.opts.DataNodeBytes > 0 {
		return strconv.Itoa(8 << 20)
	}
	return strconv.Itoa(128 << 20)
}

// hdfsSettings make an HDFS that has every block on each data node, for its processes and
// for those that use it.
func (s *Stack) hdfsSettings(p *Process) settings {
	const free = host + ":0" // nobody has to know this port
	return settings{
		"dfs.blocksize": s.blockSize(),
		// All of a disk may be used; by default a gigabyte has to stay free.
		"dfs.datanode.round-robin-volume-choosing-policy.additional-available-space": "0",
		"dfs.namenode.name.dir":                                filepath.Join(s.dir, "name"),
		"dfs.datanode.data.dir":                                s.blocksDir(p),
		"dfs.namenode.rpc-address":                             s.ports[portNameNode].addr(),
		"dfs.namenode.http-address":                            free,
		"dfs.datanode.address":                                 free,
		"dfs.datanode.ipc.address":                             free,
		"dfs.datanode.http.address":                            free,
		"dfs.datanode.hostname":                                host,
		"dfs.replication":                                      strconv.Itoa(s.opts.DataNodes),
		"dfs.permissions.enabled":                              "false",
		"dfs.namenode.handler.count":                           "6",
		"dfs.datanode.handler.count":                           "4",
		"dfs.namenode.datanode.registration.ip-hostname-check": "false",
		// A block is complete with what the last data node that can write has of it.
		"dfs.namenode.replication.min": "1",
		// HDFS opens when all data nodes are there, and not later: there is nobody
		// else to wait for.
		"dfs.namenode.safemode.min.datanodes": strconv.Itoa(s.opts.DataNodes),
		"dfs.namenode.safemode.extension":     "0",
		// Files of a writer that died are closed by orders in the answers to the
		// data node's heartbeats; the default is 3 s.
		"dfs.heartbeat.interval": "1",
		// All processes start at the same time. Whoever is early tries again soon;
		// by default HBase ends when its first attempt is refused.
		"dfs.client.retry.policy.enabled": "true",
		"dfs.client.retry.policy.spec":    "200,1500",
		// No other node can replace one in a writer's pipeline that fails: all are in it.
		"dfs.client.block.write.replace-datanode-on-failure.enable": "false",
	}
}

// hbaseSettings are those of the master or of a region server.
func (s *Stack) hbaseSettings(p *Process) settings {
	all := settings{
		"hbase.cluster.distributed":           "true",
		"hbase.rootdir":                       "hdfs://" + s.ports[portNameNode].addr() + "/hbase",
		"hbase.tmp.dir":                       filepath.Join(s.dir, "tmp"),
		"hbase.zookeeper.quorum":              host,
		"hbase.zookeeper.property.clientPort": strconv.Itoa(s.ports[portZooKeeper].number),
		"zookeeper.session.timeout":           millis(s.opts.SessionTimeout),
		"hbase.master.hostname":               host,
		"hbase.unsafe.regionserver.hostname":  host,
		"hbase.master.ipc.address":            host,
		"hbase.regionserver.ipc.address":      host,
		"hbase.master.info.port":              "-1",
		"hbase.regionserver.info.port":        "-1",
		// What is acknowledged is on disk, not only in the data node's memory.
		"hbase.wal.hsync": "true",
		// The master assigns the first region when every region server is there,
		// and waits no longer.
		"hbase.master.wait.on.regionservers.mintostart": strconv.Itoa(s.opts.RegionServers),
		"hbase.master.wait.on.regionservers.maxtostart": strconv.Itoa(s.opts.RegionServers),
		"hbase.regionserver.msginterval":                "1000",
		// Few clients come here; idle threads cost memory.
		"hbase.regionserver.handler.count":     "10",
		"hbase.regionserver.metahandler.count": "10",
		"hbase.master.handler.count":           "10",
		// A call to a server that hangs is given up after that. By default the master
		// waits a minute for the old home of hbase:meta, when that server hangs:
		// regions were open again after 72 s, and after 16 s with this.
		"hbase.rpc.timeout": "5000",
		// All data nodes are on this machine; to sort them, HBase would reach
		// into the JDK, which complains.
		"hbase.filesystem.reorder.blocks": "false",
		// As HDFS would have it, not twice that.
		"hbase.regionserver.hlog.blocksize": s.blockSize(),
		// How long the log of a dead server waits after the first order to close it;
		// the data node does it in much less than the default of 4 s.
		"hbase.lease.recovery.first.pause": "1000",
	}
	if p.class == masterClass {
		all["hbase.master.port"] = strconv.Itoa(p.port.number)
		// Until HDFS opens, the master looks that often; the default is 10 s.
		all["hbase.server.thread.wakefrequency"] = "500"
	} else {
		all["hbase.regionserver.port"] = strconv.Itoa(p.port.number)
	}
	maps.Copy(all, s.opts.Settings)
	return all
}

// zooKeeperConfig has ticks of a tenth of the shortest session that it grants.
func (s *Stack) zooKeeperConfig() string {
	return strings.Join([]string{
		"dataDir=" + filepath.Join(s.dir, "zookeeper"),
		"clientPort=" + strconv.Itoa(s.ports[portZooKeeper].number),
		"clientPortAddress=" + host,
		"tickTime=500",
		"minSessionTimeout=" + millis(minSessionTimeout),
		"maxSessionTimeout=" + millis(maxSessionTimeout),
		"maxClientCnxns=0",
		"admin.enableServer=false",
		"preAllocSize=1024",
		"snapCount=10000",
		"autopurge.snapRetainCount=3",
		"autopurge.purgeInterval=1",
		"",
	}, "\n")
}

// logConfig sends what is worth reading to standard error, which is the
// process's log file.
const logConfig = `log4j.rootLogger=INFO,err
log4j.appender.err=org.apache.log4j.ConsoleAppender
log4j.appender.err.target=System.err
log4j.appender.err.layout=org.apache.log4j.PatternLayout
log4j.appender.err.layout.ConversionPattern=%d{ISO8601} %p [%t] %c{2}: %m%n
log4j.logger.SecurityLogger=WARN
log4j.logger.org.apache.hadoop.metrics2=WARN
log4j.logger.org.apache.hadoop.hdfs.StateChange=WARN
log4j.logger.BlockStateChange=WARN
log4j.logger.org.apache.hadoop.hdfs.server.namenode.FSNamesystem.audit=WARN
log4j.logger.org.apache.hadoop.hdfs.server.datanode.DataNode.clienttrace=WARN
log4j.logger.org.apache.zookeeper.ZooKeeper=WARN
`

// webFolders have to be found beside the configuration: the jars lack the web
// pages, and nobody starts without the folders for them.
var webFolders = []string{
	"webapps/hdfs", "webapps/datanode", "webapps/static",
	"hbase-webapps/master", "hbase-webapps/regionserver", "hbase-webapps/static",
}

// writeConfig makes the configuration folder of a process.
func writeConfig(dir string, files map[string]string) error {
	for _, web := range webFolders {
		if err := os.MkdirAll(filepath.Join(dir, web), 0o700); err != nil {
			return err
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// site is a file of settings as Hadoop reads it.
func site(all settings) string {
	var b strings.Builder
	b.WriteString("<configuration>\n")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&b, "  <property><name>%s</name><value>", name)
		_ = xml.EscapeText(&b, []byte(all[name])) // a Builder takes everything
		b.WriteString("</value></property>\n")
	}
	b.WriteString("</configuration>\n")
	return b.String()
}
