package doctor

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"gopush/hbase"
)

// serverSettings are the ones that decide where an acknowledged write is.
type serverSettings struct {
	addr  string
	root  string // scheme of the file system of the write-ahead log
	hsync string // hbase.wal.hsync, "" for HBase's default, false
}

// durability says where an acknowledged write is: by our setting, and by what
// the region servers were started with, which only their web pages tell.
//
// HBase 2 syncs a write to disk if the write itself asks for it (fsync), and
// does not if it asks for less. hbase.wal.hsync is for writes that ask for
// nothing, such as its own to hbase:meta.
func durability(ctx context.Context, c Cluster, cluster hbase.Cluster) Finding {
	const check = about("durability")
	known, hidden := readServers(ctx, c, cluster)
	for _, s := range known {
		if s.root == "file" {
			return check.say(Wrong, "Put hbase.rootdir on HDFS.",
				"store.durability is %s, but %s keeps its log on file://, where HBase never syncs: a power cut loses acknowledged messages", c.Durability, s.addr)
		}
	}
	switch c.Durability {
	case "async":
		return check.say(Wrong, "Set store.durability to fsync.", "store.durability is async: the end of one region server loses acknowledged messages")
	case "sync":
		return check.say(Note, "Set store.durability to fsync, unless this is meant.",
			"store.durability is sync: acknowledged messages are in the memory of several data nodes, and a power cut of all of them loses some; HBase does not sync such writes, whatever hbase.wal.hsync says")
	}
	if len(hidden) > 0 {
		return check.say(Unknown, "Make sure there that hbase.rootdir and hbase.wal.dir are on HDFS and hbase.wal.hsync is true: in hbase-site.xml, or at /conf with hbase.regionserver.info.port set.",
			"store.durability is fsync, for which HBase syncs each write to disk on HDFS; but what %s was started with cannot be read, as its web pages are off or do not answer", strings.Join(hidden, ", "))
	}
	var lazy []string
	for _, s := range known {
		if s.hsync != "true" {
			lazy = append(lazy, s.addr)
		}
	}
	if len(lazy) > 0 {
		return check.say(Note, "Set hbase.wal.hsync to true on every region server.",
			"store.durability is fsync, and each message is synced to disk; but hbase.wal.hsync is not true on %s, so that a power cut of all data nodes may lose what HBase knows of its own tables", strings.Join(lazy, ", "))
	}
	return check.ok("fsync, and hbase.wal.hsync is true on %s: messages and hbase:meta are synced to disk", names(known))
}

// readServers reads the settings of all region servers, and names those that
// hide them.
func readServers(ctx context.Context, c Cluster, cluster hbase.Cluster) (known []serverSettings, hidden []string) {
	for _, s := range cluster.Live {
		if s.InfoPort == 0 {
			hidden = append(hidden, s.Addr())
			continue
		}
		settings, err := c.Settings(ctx, s)
		if err != nil {
			hidden = append(hidden, fmt.Sprintf("%s (%s)", s.Addr(), err))
			continue
		}
		known = append(known, serverSettings{s.Addr(), scheme(settings), settings["hbase.wal.hsync"]})
	}
	return known, hidden
}

// scheme is that of the folder of the write-ahead log; "file" for a plain path,
// which is what HBase takes it for when nothing else is configured.
func scheme(settings map[string]string) string {
	for _, name := range []string{"hbase.wal.dir", "hbase.rootdir"} {
		dir := settings[name]
		if dir == "" {
			continue
		}
		u, err := url.Parse(dir)
		if err == nil && u.Scheme != "" {
			return u.Scheme
		}
		if u, err := url.Parse(settings["fs.defaultFS"]); err == nil && u.Scheme != "" {
			return u.Scheme
		}
		return "file"
	}
	return "file"
}

func names(all []serverSettings) string {
	var list []string
	for _, s := range all {
		list = append(list, s.addr)
	}
	return strings.Join(list, ", ")
}
