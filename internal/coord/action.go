package coord

import (
	"time"

	"gopush/internal/push"
)

// Action is something that a Machine wants done. Those that ask are answered by
// an Answered event, Touch by Touched; those that tell a caller are not.
type Action interface{ action() }

// Actions that ask.
type (
	// Create puts a candidate at the end of its group's line.
	Create struct {
		ID     string
		Member Member
	}
	// Delete takes a candidate out of the line. One that is not there counts as
	// deleted.
	Delete struct{ ID, Name string }
	// Begin writes a tenure and a ceiling, both or neither, if both and the ring
	// still have their stamps: a term must know of a change of the ring that is
	// under way, as nobody waits for those that came after it.
	Begin struct {
		ID           string
		RingStamp    int64
		Tenure       Tenure
		Stamp        int64
		Ceiling      push.ID
		CeilingStamp int64
	}
	// Lift writes a higher ceiling, if the tenure and the ceiling still have
	// their stamps.
	Lift struct {
		ID, Group    string
		Stamp        int64
		Ceiling      push.ID
		CeilingStamp int64
	}
	// Amend writes a tenure, if it still has its stamp.
	Amend struct {
		ID     string
		Tenure Tenure
		Stamp  int64
	}
	// Rewrite writes the ring, if it still has its stamp.
	Rewrite struct {
		Ring  Ring
		Stamp int64
	}
	// Announce shows a message node to all as long as the session lasts.
	Announce struct{ ID, Addr string }
	// Retract takes it away. One that is not there counts as taken away.
	Retract struct{ ID string }
	// Refresh reads everything, no older than the time of the action, and tells
	// it before the answer.
	Refresh struct{}
	// Touch proves the session and reads the ring, no older than the time of the
	// action; the ring is told before the answer.
	Touch struct{}
)

// Actions that tell a caller.
type (
	// Won says that the candidacy has become a term.
	Won struct {
		ID             string
		Epoch          int64
		Floor, Ceiling push.ID
		Lease          time.Duration // how long one proof of the session lasts; 0: for ever
	}
	// Hold says until when the term is valid, on the monotonic clock.
	Hold struct {
		ID    string
		Until time.Duration
	}
	// Raised says that ids up to Ceiling may be given.
	Raised struct {
		ID      string
		Ceiling push.ID
	}
	// Floored says that only ids above Floor may be given from now on.
	Floored struct {
		ID    string
		Floor push.ID
	}
	// Confirmed says that the term's confirmation of Version is written.
	Confirmed struct {
		ID      string
		Version int64
	}
	// Asked says that an operator wants the node to hand over.
	Asked struct{ ID string }
	// Over says that the candidacy or term has ended; nothing about it follows.
	// Why is empty if it had been told to leave.
	Over struct{ ID, Why string }
	// Failed says that the candidacy cannot come to serve.
	Failed struct{ ID, Why string }
	// Publish says that the cluster looks different.
	Publish struct{ View *View }
)

func (Create) action()    {}
func (Delete) action()    {}
func (Begin) action()     {}
func (Lift) action()      {}
func (Amend) action()     {}
func (Rewrite) action()   {}
func (Announce) action()  {}
func (Retract) action()   {}
func (Refresh) action()   {}
func (Touch) action()     {}
func (Won) action()       {}
func (Hold) action()      {}
func (Raised) action()    {}
func (Floored) action()   {}
func (Confirmed) action() {}
func (Asked) action()     {}
func (Over) action()      {}
func (Failed) action()    {}
func (Publish) action()   {}
