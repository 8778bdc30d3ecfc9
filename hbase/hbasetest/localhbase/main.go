// Command localhbase runs an HBase on this machine, to try gopush out with. It
// stops on Ctrl-C; its data stays.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"gopush/hbase/hbasetest"
)

func main() {
	opts := hbasetest.Options{Throughput: true, Progress: os.Stdout}
	flag.StringVar(&opts.Dir, "data", "hbase-data", "folder of data, configuration and logs")
	flag.IntVar(&opts.Port, "port", 21810, "port of ZooKeeper; the other processes get those behind it")
	flag.IntVar(&opts.RegionServers, "regionservers", 2, "how many region servers")
	flag.DurationVar(&opts.SessionTimeout, "session-timeout", 10*time.Second, "how long a silent process counts as alive")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, opts); err != nil {
		fmt.Fprintln(os.Stderr, "localhbase:", err)
		os.Exit(1)
	}
}

const serving = `
ZooKeeper: %[1]s
logs:      %[2]s/logs

Try it in another terminal:

  gopush serve --store hbase --zookeeper %[1]s

Ctrl-C stops HBase; the data stays.
`

func run(ctx context.Context, opts hbasetest.Options) error {
	stack, err := hbasetest.Start(ctx, opts)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stdout, serving, stack.ZooKeeper(), stack.Dir())
	for _, p := range stack.Processes() {
		fmt.Fprintf(os.Stdout, "%14s  process %d\n", p.Name(), p.PID())
	}
	<-ctx.Done()
	return stack.Close()
}
