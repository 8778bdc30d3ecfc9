package zk

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"gopush/internal/coord"
	"gopush/internal/coord/zk/zktest"
)

// TestLook: nothing before anybody has served; then groups, their nodes and message nodes,
// and who may change them. Looking takes no place in any line.
//
// Broken once by leaving out groups of the ring without nodes, once by counting nodes of
// all groups together, and once by taking any list of rights for open.
func TestLook(t *testing.T) {
	server := zktest.Start(t)
	cfg := testConfig(server)
	log := slog.New(slog.DiscardHandler)
	got, err := Look(bounded(t), cfg, log)
	if err != nil || got.Began || got.Took <= 0 || len(got.Groups) != 0 {
		t.Fatalf("at first: %+v, %v", got, err)
	}
	one, two := open(t, cfg), open(t, cfg)
	one.Register("m:1")
	first := serve(t, one, node("a", "a1"))
	until(t, one, "the ring", func(v *coord.View) bool { return v.RingVersion == 1 })
	if err := first.Resign(bounded(t)); err != nil {
		t.Fatal(err)
	}
	becomes(t, "a group without nodes", func() bool {
		got, err = Look(bounded(t), cfg, log)
		return err == nil && slices.Equal(got.Groups, []GroupSight{{"a", 0}})
	})
	serve(t, one, node("a", "a1"))
	serve(t, one, node("b", "b1"))
	campaign(t, two, node("a", "a2")) // stands by
	becomes(t, "both groups", func() bool {
		got, err = Look(bounded(t), cfg, log)
		return err == nil && slices.Equal(got.Groups, []GroupSight{{"a", 2}, {"b", 1}}) && got.Messages == 1
	})
	if !got.Began || !got.Open || got.Timeout != cfg.Session {
		t.Errorf("%+v", got)
	}
	closed := testConfig(server)
	closed.Root, closed.User, closed.Password = "/closed", "gopush", "secret"
	serve(t, open(t, closed), node("c", "c1"))
	if got, err = Look(bounded(t), closed, log); err != nil || got.Open || !got.Began || len(got.Groups) != 1 {
		t.Errorf("with a password: %+v, %v", got, err)
	}
	closed.User, closed.Password = "", ""
	if got, err = Look(bounded(t), closed, log); err == nil {
		t.Errorf("without the password: %+v", got)
	}
	server.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if got, err = Look(ctx, cfg, log); err == nil {
		t.Errorf("without ZooKeeper: %+v", got)
	}
}
