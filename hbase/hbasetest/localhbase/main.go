// Command localhbase runs an HBase on this machine, to try gopush out with.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"gopush/hbase/hbasetest"
)

func main() {
	opts := hbasetest.Options{Throughput: true, Progress: os.Stdout}
	flag.StringVar(&opts.Dir, "data", "hbase-data", "folder of data, configuration and logs")
	flag.IntVar(&opts.Port, "port", 21810, "port of ZooKeeper; the other processes get those behind it")
	flag.IntVar(&opts.RegionServers, "regionservers", 2, "how many region servers")
	flag.DurationVar(&opts.SessionTimeout, "session-timeout", opts.SessionTimeout, "how long a silent process counts as alive (default 6s)")
	flag.Parse()
	if err := run(opts); err != nil {
		fmt.Fprintln(os.Stderr, "localhbase:", err)
		os.Exit(1)
	}
}

func run(opts hbasetest.Options) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	stack, err := hbasetest.Start(ctx, opts)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, "\nZooKeeper: %s\nlogs:      %s/logs\n\n  gopush serve --store hbase --zookeeper %s\n\nCtrl-C stops it; the data stays.\n", stack.ZooKeeper(), stack.Dir(), stack.ZooKeeper())
	<-ctx.Done()
	return stack.Close()
}
