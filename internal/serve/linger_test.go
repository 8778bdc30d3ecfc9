package serve

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// A process that is told to stop is not ready from then on, and serves for the delay all
// the same. Without one, or if it was never ready, or if it fails meanwhile, nobody waits.
//
// Broken once by turning readiness after the delay, and by waiting though it was not ready.
func TestDrainDelay(t *testing.T) {
	const delay = 5 * time.Second
	for name, tt := range map[string]struct {
		delay  time.Duration
		ready  bool
		fails  bool
		served time.Duration
	}{
		"delay":       {delay: delay, ready: true, served: delay},
		"none":        {ready: true},
		"never ready": {delay: delay},
		"fails":       {delay: delay, ready: true, fails: true, served: time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &System{log: slog.New(slog.DiscardHandler), ready: make(chan struct{})}
				s.cfg.Settings.DrainDelay = tt.delay
				if tt.ready {
					close(s.ready)
				}
				why := errors.New("told to stop")
				ctx, stop := context.WithCancelCause(t.Context())
				serving, over := s.linger(ctx)
				synctest.Wait()
				if serving.Err() != nil || tt.ready != (s.life() == nil) {
					t.Fatalf("before the stop: %v, %v", serving.Err(), s.life())
				}
				stop(why)
				synctest.Wait()
				if s.life() == nil {
					t.Error("it is ready though it stops")
				}
				began := time.Now()
				if tt.fails {
					time.AfterFunc(tt.served, over)
				} else {
					defer over()
				}
				<-serving.Done()
				if served := time.Since(began); served != tt.served || context.Cause(serving) != why {
					t.Errorf("it served for %s, then ended with %v", served, context.Cause(serving))
				}
			})
		})
	}
}

// Whoever ends before the stop waits for nothing.
func TestNoStop(t *testing.T) {
	s := &System{log: slog.New(slog.DiscardHandler), ready: make(chan struct{})}
	s.cfg.Settings.DrainDelay = time.Hour
	serving, over := s.linger(t.Context())
	over()
	if serving.Err() == nil {
		t.Error("the context outlives the run")
	}
}
