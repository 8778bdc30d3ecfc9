// Package storetest holds what every message.Store has to do, as checks that
// run against any of them. It knows nothing of how a store keeps its rows, and
// it does not look at speed, at restarts or at broken disks: those belong to the
// tests of each store.
//
// A check is a function that returns an error, so that the checks themselves
// are tested: stores with planted faults must be caught.
package storetest
