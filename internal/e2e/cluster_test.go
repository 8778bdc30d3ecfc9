package e2e

import (
	"testing"
	"time"
)

// flavours are the ways to run a cluster; a test that does not kill runs on
// each.
var flavours = map[string]Options{"here": {}, "child": {Child: true}}

// What a first user does works, and survives an orderly restart.
func TestPushThenListen(t *testing.T) {
	for name, opts := range flavours {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := Start(t, opts)
			first := c.API.Push(t.Context(), Message{Key: "phone", Data: Text("one")})
			if first.State != Acked {
				t.Fatalf("push: %+v", first)
			}
			c.Restart()
			second := c.API.Push(t.Context(), Message{Key: "phone", Data: Text("two")})
			if second.State != Acked || second.ID <= first.ID {
				t.Fatalf("push after a restart: %+v, before it %+v", second, first)
			}
			s, err := DialStream(t.Context(), c.Addrs().HTTP, Cursors{After: "0", Public: "0"}.Query("phone"))
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			frames, err := ReadUntil(s, "live", 10*time.Second)
			if err != nil || len(frames) != 4 || string(frames[1].Data) != `"one"` || string(frames[2].Data) != `"two"` {
				t.Fatalf("frames %+v, %v", frames, err)
			}
			if frames[1].ID != frames[2].Prev || frames[1].Prev != "0" {
				t.Errorf("the chain is %+v", frames)
			}
		})
	}
}

// A killed child is gone, and the next one serves the same data.
func TestKillAndStart(t *testing.T) {
	c := Start(t, Options{Child: true})
	if o := c.API.Push(t.Context(), Message{Key: "k", Data: Text("x")}); o.State != Acked {
		t.Fatalf("push: %+v", o)
	}
	c.Kill()
	if o := c.API.Push(t.Context(), Message{Key: "k", Data: Text("y")}); o.State == Acked {
		t.Fatal("a dead process acknowledges")
	}
	c.Start()
	page, err := c.API.Messages(t.Context(), "k", "0", "", 0)
	if err != nil || len(page.Messages) != 1 || string(page.Messages[0].Data) != `"x"` {
		t.Fatalf("after the kill: %+v, %v", page, err)
	}
}
