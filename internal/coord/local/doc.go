// Package local is coordination inside one process: the groups of comets and
// the message nodes that run there find each other through one Coordinator. It
// has the same Machine decide that a cluster has, and keeps in memory what a
// cluster keeps in a service.
//
// What must outlive the process is how far each group's ids went: one small
// file per group with its epoch and ceiling, replaced whole and synced before
// anyone may use what it allows. A restart begins above everything that any
// file ever allowed, whatever the clock says.
//
// The package starts no goroutine and opens no connection: whoever waits for a
// file writes it. It does not lock its folder: whoever opens a Coordinator sees
// to it that no other process does. It does not move keys between groups under
// traffic: groups that share a process join before the first push.
package local
