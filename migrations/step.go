package migrations

import (
	"context"
	"errors"
	"fmt"

	"gopush/hbase"
)

// Step takes the table from one schema to the next. Whoever adds one raises
// hbase.SchemaVersion, and leaves the steps before alone.
type Step struct {
	// Number counts from 1 without a gap.
	Number int
	// Name says in a few words what is there afterwards.
	Name string
	// Oldest is the lowest schema whose programs can still use the table after
	// this step. A step that only adds leaves it as it was.
	Oldest int
	// Up takes the step. It may have been interrupted before, anywhere, so it
	// looks what is missing.
	Up func(ctx context.Context, w *Work) error
	// Down takes it back, likewise. Without one, taking it back would lose
	// something, and Loses says what.
	Down  func(ctx context.Context, w *Work) error
	Loses string
}

// Work is what a step works with.
type Work struct {
	HBase   HBase
	Table   hbase.TableName
	Options *Options
	// Mark is the version of the schema once the step has been taken.
	Mark hbase.Mark
	// Tick shows that something is going on. It may be called often.
	Tick hbase.Tick
	// Say shows a line, once.
	Say func(text string)
	// Unlock gives the lock on the schema back, if a step makes the table such
	// that it cannot be kept.
	Unlock func()
}

// Steps are all there are, in their order.
func Steps() []Step {
	return []Step{{
		Number: 1, Name: "namespace and table of messages", Oldest: 1,
		Up: createMessages, Down: dropMessages,
	}}
}

// checkSteps finds mistakes in a list of steps.
func checkSteps(steps []Step) error {
	if len(steps) == 0 {
		return errors.New("migrations: there are no steps")
	}
	for i, s := range steps {
		switch {
		case s.Number != i+1:
			return fmt.Errorf("migrations: step %d is in place %d", s.Number, i+1)
		case s.Up == nil || s.Name == "":
			return fmt.Errorf("migrations: step %d has no Up or no Name", s.Number)
		case s.Oldest < 1 || s.Oldest > s.Number || i > 0 && s.Oldest < steps[i-1].Oldest:
			return fmt.Errorf("migrations: step %d cannot be usable from schema %d on", s.Number, s.Oldest)
		case s.Down == nil && s.Loses == "":
			return fmt.Errorf("migrations: step %d has neither Down nor Loses", s.Number)
		}
	}
	return nil
}
