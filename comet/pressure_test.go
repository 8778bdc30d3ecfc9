package comet

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"gopush/internal/push"
)

// TestMemoryShort: while memory is short nobody new is let in, and while there is none no push
// is taken; both may come back later. Who is connected stays, and is served.
//
// Broken once by not looking on arrival, once by taking pushes all the same, and once by not
// looking at later requests of a connection.
func TestMemoryShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, web, tcp := openNode(t, func(*Limits) {})
		var short, none atomic.Bool
		n.deps.Pressed, n.deps.Exhausted = short.Load, none.Load
		ws := web.come(t, "192.0.2.1")
		say(t, ws, upgradeRequest("/v2/stream?key=a"))
		waitFor(t, ws, `"type":"live"`)
		kept := web.come(t, "192.0.2.1")
		if got := knock(t, kept, "GET /v2/nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"); got.StatusCode != http.StatusNotFound {
			t.Error(got.Status)
		}
		short.Store(true)
		wantTurned(t, web.come(t, "192.0.2.1"), fmt.Sprintf(events, "a"))
		wantTurned(t, kept, fmt.Sprintf(events, "a"))
		hearEnd(t, tcp.come(t, "192.0.2.1"))
		mustPush(t, n, "a", `4710`)
		waitFor(t, ws, `4710`)
		none.Store(true)
		if r := <-pushAsync(t, n, "a", `1`); !push.Is(r.err, push.KindBusy) {
			t.Errorf("a push was answered %v", r.err)
		}
		if got := turned(n, memoryShort); got != 3 {
			t.Errorf("%v were turned away, want 3", got)
		}
		short.Store(false)
		none.Store(false)
		mustPush(t, n, "a", `4711`)
		waitFor(t, ws, `4711`)
		v1 := tcp.come(t, "192.0.2.1")
		say(t, v1, resp("sub", "c", "30"))
		hear(t, v1, "+h\r\n")
	})
}
