package e2e

import (
	"context"
	"errors"
	"log/slog"
	"os"

	"gopush/internal/serve"
)

// here is a cluster inside this process.
type here struct {
	system *serve.System
	cancel context.CancelFunc
	done   chan error
}

// startHere runs a system in this process and waits until it serves.
func startHere(cfg serve.Config) (process, Addrs, error) {
	system, err := serve.New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, Addrs{}, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	h := &here{system: system, cancel: cancel, done: make(chan error, 1)}
	go func() { h.done <- system.Run(ctx) }()
	select {
	case <-system.Ready():
		return h, addrsOf(system.Addrs(), system.Token()), nil
	case err := <-h.done:
		cancel()
		return nil, Addrs{}, errors.Join(errors.New("the system ended before it served"), err, system.Close())
	}
}

func (h *here) stop() error {
	h.cancel()
	return errors.Join(<-h.done, h.system.Close())
}

func (h *here) kill() error { return errors.New("only a child process can be killed") }

func (h *here) pid() int { return os.Getpid() }
