package e2e

import (
	"encoding/json"
	"io"
	"sync"
	"testing"
	"time"
)

// A session that does not come keeps no other order waiting, and ends with the parent.
// Broken once by carrying everything out in turn, and by not ending it.
func TestOrders(t *testing.T) {
	toChild, fromParent := io.Pipe()
	toParent, fromChild := io.Pipe()
	state := newControlled(hardship{Skew: time.Hour}, nil)
	var work sync.WaitGroup
	work.Go(func() { state.obey(toChild, fromChild); _ = fromChild.Close() })
	orders := newControl(fromParent)
	work.Go(func() { orders.hear(json.NewDecoder(toParent)) })
	never := func() bool { return false }
	first, lost := make(chan bool), make(chan error, 1)
	go func() {
		lost <- orders.do(t.Context(), never, func() order {
			close(first)
			return order{LoseSession: true}
		})
	}()
	<-first // what is ordered from here on comes after it
	began := time.Now()
	if err := orders.do(t.Context(), never, func() order { return order{Hardship: &hardship{Skew: -time.Hour}} }); err != nil {
		t.Error(err)
	}
	if by := time.Until(state.now()); by > -time.Hour+time.Minute {
		t.Errorf("the clock is %s ahead", by)
	}
	_ = fromParent.Close()
	work.Wait()
	if err := <-lost; err == nil || time.Since(began) >= sessionTime {
		t.Errorf("the loss of a session that there is not: %v", err)
	}
	if err := orders.do(t.Context(), never, func() order { return order{} }); !unable(err) {
		t.Errorf("an order to a process that is gone: %v", err)
	}
	// One that stands still is not waited for.
	still := newControl(io.Discard)
	if err := still.do(t.Context(), func() bool { return true }, func() order { return order{} }); !unable(err) {
		t.Errorf("an order to a process that stands still: %v", err)
	}
}
