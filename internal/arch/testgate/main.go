// Command testgate runs go test and lets nothing pass that did not run: a test
// that was skipped fails the run like one that failed. It takes the arguments
// of go test, shows its lines for each package as they come, the output of what
// failed, a sign of life while it is quiet, and the totals at the end.
//
// It chooses no packages and changes no flags.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "testgate:", err)
		os.Exit(1)
	}
}

// run starts go test and judges its events.
func run(ctx context.Context, args []string) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	g := newGate(os.Stdout, time.Now)
	ticker := time.NewTicker(quiet)
	defer ticker.Stop()
	g.follow(out, ticker.C)
	failed := cmd.Wait()
	if err := g.verdict(); err != nil {
		return err
	}
	if failed != nil {
		return fmt.Errorf("go test: %w", failed)
	}
	return nil
}
