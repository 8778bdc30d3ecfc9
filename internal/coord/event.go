package coord

import (
	"time"

	"gopush/internal/push"
)

// Now is the time of a step on two clocks.
type Now struct {
	Mono time.Duration // since any one moment; never steps; leases are measured on it
	Wall push.ID       // the wall clock, which may step, as an id
}

// Event is something that a Machine is told.
type Event interface{ event() }

type (
	// SessionBegan says that what is created from now on lasts until the session
	// ends.
	SessionBegan struct {
		// Lease is how long one proof of the session lasts; 0: for ever.
		Lease time.Duration
		// Timeout is when the session ends if nothing is heard of it.
		Timeout time.Duration
	}
	// SessionEnded says that everything that was created is gone. No answer to an
	// action from before may follow.
	SessionEnded struct{}
	// Tick says that time has passed. Several per lease are needed.
	Tick struct{}

	// Campaign says that a caller wants to serve, under an id that is unique for
	// ever.
	Campaign struct {
		ID     string
		Member Member
	}
	// Leave says that the caller gives its candidacy or term up.
	Leave struct{ ID string }
	// Raise says that the term needs ids up to To.
	Raise struct {
		ID string
		To push.ID
	}
	// Confirm says that the term has nothing in flight for keys that move under
	// Version.
	Confirm struct {
		ID      string
		Version int64
	}
	// Register says that a message node is there, under an id that is unique for
	// ever.
	Register struct{ ID, Addr string }
	// Unregister says that it leaves.
	Unregister struct{ ID string }
	// Remove says that an operator takes a group out of the ring.
	Remove struct{ Group string }

	// SawCandidates is the whole line, of all groups, in any order. What is read
	// must be told in the order in which it was read.
	SawCandidates struct{ All []Candidate }
	// SawTenure is one group's newest term.
	SawTenure struct {
		Group  string
		Tenure Tenure
		Stamp  int64
	}
	// SawCeiling is how far one group's ids may have gone.
	SawCeiling struct {
		Group   string
		Ceiling push.ID
		Stamp   int64
	}
	// SawRing is the division of keys.
	SawRing struct {
		Ring  Ring
		Stamp int64
	}
	// SawMessages are the addresses of all message nodes, by the id under which
	// they registered.
	SawMessages struct{ All map[string]string }

	// Touched says that a Touch which was begun at Sent has been answered.
	Touched struct{ Sent time.Duration }
	// Answered is the end of any other action that asks for something.
	Answered struct {
		Action  Action
		Outcome Outcome
	}
)

func (SessionBegan) event()  {}
func (SessionEnded) event()  {}
func (Tick) event()          {}
func (Campaign) event()      {}
func (Leave) event()         {}
func (Raise) event()         {}
func (Confirm) event()       {}
func (Register) event()      {}
func (Unregister) event()    {}
func (Remove) event()        {}
func (SawCandidates) event() {}
func (SawTenure) event()     {}
func (SawCeiling) event()    {}
func (SawRing) event()       {}
func (SawMessages) event()   {}
func (Touched) event()       {}
func (Answered) event()      {}

// Outcome is how an action ended.
type Outcome int8

// Outcomes of an action.
const (
	Done     Outcome = iota // it was carried out
	Conflict                // surely not: what it rested on has changed
	Unknown                 // perhaps; the connection broke
)
