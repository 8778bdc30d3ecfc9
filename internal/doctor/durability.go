package doctor

import (
	"context"
	"fmt"
	"net/url"
	"slices"
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
func durability(ctx context.Context, c Cluster, cluster hbase.Cluster) Finding {
	const check = about("durability")
	known, hidden := readServers(ctx, c, cluster)
	for _, s := range known {
		if s.root == "file" {
			return check.say(Wrong, "Put hbase.rootdir on HDFS.",
				"store.durability is %s, but %s keeps its log on file://, where HBase never syncs: a power cut loses acknowledged messages", c.Durability, s.addr)
		}
	}
	if c.Durability == "async" {
		return check.say(Wrong, "Set store.durability to fsync.", "store.durability is async: the end of one region server loses acknowledged messages")
	}
	lazy := slices.ContainsFunc(known, func(s serverSettings) bool { return s.hsync != "true" })
	switch {
	case c.Durability == "fsync" && len(hidden) == 0:
		return check.ok("fsync: each write is synced to disk on %s, whatever hbase.wal.hsync says there", names(known))
	case c.Durability == "fsync":
		return check.say(Unknown, "Make sure that hbase.rootdir and hbase.wal.dir are on HDFS there: in hbase-site.xml, or at /conf with hbase.regionserver.info.port set.",
			"store.durability is fsync, for which HBase syncs each write to disk on HDFS; but what %s are started with cannot be read: %s", strings.Join(hidden, ", "), "their web pages are off or do not answer")
	case lazy:
		return check.say(Note, "Set store.durability to fsync, or hbase.wal.hsync to true on every region server.",
			"store.durability is sync, and hbase.wal.hsync is not set everywhere: acknowledged messages are in the memory of several machines, and a power cut of all of them loses some")
	case len(hidden) > 0:
		return check.say(Unknown, "Set store.durability to fsync, or make sure that hbase.wal.hsync is true there, in hbase-site.xml or at /conf with hbase.regionserver.info.port set.",
			"store.durability is sync, and whether %s sync to disk cannot be read: their web pages are off or do not answer", strings.Join(hidden, ", "))
	default:
		return check.ok("sync, and hbase.wal.hsync is true on %s", names(known))
	}
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
