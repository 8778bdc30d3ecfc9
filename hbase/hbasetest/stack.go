package hbasetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Stack is a running HBase with all that it needs. Its methods may be called
// concurrently.
type Stack struct {
	// immutable after Start
	opts      Options
	dir       string
	java      *java
	keeper    *keeper
	ports     []*port
	zooKeeper *port
	nameNode  *port
	processes []*Process
	began     time.Time

	lives sync.WaitGroup // of the goroutines that wait for a process
	mu    sync.Mutex     // guards Progress
}

// Start brings a stack up and returns when it serves. The processes end with
// Close, or with this process.
func Start(ctx context.Context, opts Options) (*Stack, error) {
	if err := opts.Validate(); err != nil {
		return nil, err
	}
	s := &Stack{opts: opts, began: time.Now()}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Stack) start(ctx context.Context) (err error) {
	if s.java, err = s.prepare(ctx); err != nil {
		return err
	}
	if err := s.makeDir(); err != nil {
		return err
	}
	if err := s.plan(); err != nil {
		return err
	}
	if s.keeper, err = startKeeper(); err != nil {
		return err
	}
	if err := s.format(ctx); err != nil {
		return err
	}
	for _, p := range s.processes {
		if err := p.Start(); err != nil {
			return err
		}
	}
	return s.Wait(ctx)
}

// prepare finds Java and the jars.
func (s *Stack) prepare(ctx context.Context) (*java, error) {
	path, err := findJava()
	if err != nil {
		return nil, err
	}
	cache, err := cacheDir()
	if err != nil {
		return nil, err
	}
	unlock, err := lockFile(ctx, cache+".lock", func() { s.say("waiting for another process that prepares the jars") })
	if err != nil {
		return nil, err
	}
	defer unlock()
	lib := filepath.Join(cache, "jars")
	if err := fetchJars(ctx, lib, s.say); err != nil {
		return nil, err
	}
	return &java{path: path, lib: lib, throughput: s.opts.Throughput}, nil
}

func (s *Stack) makeDir() (err error) {
	if s.opts.Dir == "" {
		s.dir, err = os.MkdirTemp("", "gopush-hbase-")
	} else {
		s.dir, err = filepath.Abs(s.opts.Dir)
	}
	for _, sub := range []string{"logs", "tmp", "name", "blocks", "zookeeper"} {
		err = errors.Join(err, os.MkdirAll(filepath.Join(s.dir, sub), 0o700))
	}
	return err
}

// plan takes the ports and writes what each process reads.
func (s *Stack) plan() error {
	for i := range 3 + s.opts.RegionServers {
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
	s.zooKeeper, s.nameNode = s.ports[0], s.ports[1]
	s.add("zookeeper", "org.apache.zookeeper.server.quorum.QuorumPeerMain", "64m", s.zooKeeper, filepath.Join(s.confDir("zookeeper"), "zoo.cfg"))
	s.add("namenode", "org.apache.hadoop.hdfs.server.namenode.NameNode", "128m", s.nameNode)
	s.add("datanode", "org.apache.hadoop.hdfs.server.datanode.DataNode", "128m", nil)
	s.add("master", "org.apache.hadoop.hbase.master.HMaster", "256m", s.ports[2], "start")
	for i := range s.opts.RegionServers {
		s.add(fmt.Sprintf("regionserver%d", i+1), "org.apache.hadoop.hbase.regionserver.HRegionServer", "512m", s.ports[3+i], "start")
	}
	for _, p := range s.processes {
		files := map[string]string{"log4j.properties": logConfig, "zoo.cfg": s.zooKeeperConfig(), "core-site.xml": site(s.coreSettings()), "hdfs-site.xml": site(s.hdfsSettings())}
		if p.port != nil {
			files["hbase-site.xml"] = site(s.hbaseSettings(p.port))
		}
		if err := writeConfig(s.confDir(p.name), files); err != nil {
			return err
		}
	}
	return nil
}

func (s *Stack) add(name, class, heap string, at *port, args ...string) {
	s.processes = append(s.processes, &Process{name: name, class: class, heap: heap, port: at, args: args, stack: s})
}

func (s *Stack) confDir(name string) string { return filepath.Join(s.dir, "conf", name) }

// format makes the name node's empty folder, if it has none.
func (s *Stack) format(ctx context.Context) error {
	if _, err := os.Stat(filepath.Join(s.dir, "name", "current")); err == nil {
		return nil
	}
	s.say("formatting HDFS")
	cmd := s.java.command(s.confDir("namenode"), "128m", "org.apache.hadoop.hdfs.server.namenode.NameNode", "-format", "-nonInteractive")
	cmd.Dir = s.dir
	cmd.SysProcAttr = s.keeper.attr()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("format HDFS: %w:\n%s", err, tail(out, 20))
	}
	return ctx.Err()
}

// Wait returns when the whole stack serves: every process runs, the master has
// seen all region servers, and no region is on its way.
func (s *Stack) Wait(ctx context.Context) error {
	last := ""
	for {
		status, err := s.clusterStatus(ctx)
		var now string
		switch {
		case err != nil:
			now = "waiting: " + err.Error()
		case len(status.GetLiveServers()) < s.opts.RegionServers:
			now = fmt.Sprintf("%d of %d region servers are there", len(status.GetLiveServers()), s.opts.RegionServers)
		case len(status.GetRegionsInTransition()) > 0:
			now = fmt.Sprintf("%d regions are not open yet", len(status.GetRegionsInTransition()))
		default:
			s.say("HBase serves")
			return nil
		}
		if now != last {
			s.say(now)
			last = now
		}
		for _, p := range s.processes {
			if p.PID() == 0 {
				return fmt.Errorf("%s ended", p.name)
			}
		}
		if err := pause(ctx, pollEvery); err != nil {
			return fmt.Errorf("%s: %w", last, err)
		}
	}
}

// ZooKeeper is its address, which is all that a client has to know.
func (s *Stack) ZooKeeper() string { return s.zooKeeper.addr() }

// Dir is where data, configuration and logs are.
func (s *Stack) Dir() string { return s.dir }

// Close ends all processes.
func (s *Stack) Close() error {
	if s.keeper != nil {
		s.keeper.killAll()
	}
	s.lives.Wait()
	for _, p := range s.ports {
		p.release()
	}
	if s.opts.Dir == "" && s.dir != "" {
		return os.RemoveAll(s.dir)
	}
	return nil
}

// say writes a line of progress.
func (s *Stack) say(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, _ = fmt.Fprintf(s.opts.Progress, "%5.1fs  %s\n", time.Since(s.began).Seconds(), text)
}
