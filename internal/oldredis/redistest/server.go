// Package redistest runs a real Redis on this machine for tests, on a loopback port that is
// free, with nothing on disk that outlives the test. It is no way to run Redis for anything
// else.
package redistest

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// Start runs a Redis until the test ends, and returns its address. An empty
// password lets everybody in.
func Start(tb testing.TB, password string) string {
	tb.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		tb.Fatalf("the tests of moving in need Redis (Debian: apt-get install redis-server): %v", err)
	}
	for attempt := 0; ; attempt++ {
		addr, err := start(tb, path, password)
		if err == nil {
			return addr
		}
		if attempt == 4 { // somebody may take the port that was free
			tb.Fatal(err)
		}
	}
}

func start(tb testing.TB, path, password string) (string, error) {
	tb.Helper()
	l, err := (&net.ListenConfig{}).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(tb.Context()))
	args := []string{"--port", port, "--bind", "127.0.0.1", "--dir", tb.TempDir(), "--save", "", "--appendonly", "no", "--databases", strconv.Itoa(4)}
	if password != "" {
		args = append(args, "--requirepass", password)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		cancel()
		return "", err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = cmd.Wait() // it is killed
	}()
	tb.Cleanup(func() {
		cancel()
		<-ended
	})
	return addr, serves(tb, addr, ended, &out)
}

// serves waits until somebody listens, or the process has ended.
func serves(tb testing.TB, addr string, ended chan struct{}, out *bytes.Buffer) error {
	tb.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := (&net.Dialer{}).DialContext(tb.Context(), "tcp", addr)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ended:
			return fmt.Errorf("redis-server has ended: %s", out)
		case <-deadline.C:
			return err
		case <-tick.C:
		}
	}
}
