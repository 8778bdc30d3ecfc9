// Command with runs a command while an HBase runs, so that all tests which need
// one can share it: with [flags] -- go test ./...
//
// The command starts at once, and finds the address in its environment; those
// who need HBase wait for it. If there is such an address already, nothing is
// started besides the command.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"

	"gopush/hbase/hbasetest"
)

func main() {
	opts := hbasetest.Options{Progress: os.Stdout}
	flag.IntVar(&opts.RegionServers, "regionservers", 2, "how many region servers")
	flag.DurationVar(&opts.SessionTimeout, "session-timeout", 30*time.Second, "how long a silent process counts as alive")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, opts, flag.Args())
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		os.Exit(max(exit.ExitCode(), 1))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "with:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, opts hbasetest.Options, args []string) error {
	if len(args) == 0 {
		return errors.New("name a command to run")
	}
	if os.Getenv(hbasetest.ZooKeeperEnv) != "" {
		return command(ctx, args)
	}
	stack, err := hbasetest.Begin(ctx, opts)
	if err != nil {
		return err
	}
	if err := os.Setenv(hbasetest.ZooKeeperEnv, stack.ZooKeeper()); err != nil {
		return errors.Join(err, stack.Close())
	}
	return finish(stack, command(ctx, args))
}

// command runs until it ends, or is asked to end.
func command(ctx context.Context, args []string) error {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 30 * time.Second
	return cmd.Run()
}

// finish stops the stack; what it says is worth reading if the command failed.
func finish(stack *hbasetest.Stack, failed error) error {
	if failed != nil {
		stack.Keep()
		fmt.Fprintf(os.Stderr, "HBase's data and logs are left in %s\n", stack.Dir())
	}
	return errors.Join(failed, stack.Close())
}
