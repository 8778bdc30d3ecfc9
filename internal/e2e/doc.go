// Package e2e runs whole clusters as test objects and drives them from outside:
// raw sockets, HTTP, and the history of everything that was pushed and seen. Its
// scenarios are written once; what they run on (this process, or a child process
// that can be killed) is an argument.
//
// A Fleet is a cluster of processes. Tests break it by the verbs of a Part: killed, frozen,
// cut off by black holes, with a wrong clock, without its session with ZooKeeper. Only the dialer
// and the clock that a process is given know of that, no role does.
//
// It uses no client library of this module, so that a fault cannot hide in code
// that both sides share, and it never looks inside a role: what a user cannot see
// is not asserted here, but in the package that keeps it.
package e2e
