// Package zk is coordination through ZooKeeper: it carries out what a
// coord.Machine decides, and tells it what there is to see. It is the only
// package that knows the ZooKeeper library, and holds against the library's
// habits: events that are dropped, calls that block while there is no
// connection, watches that get lost, and a new session that silently takes an
// expired one's place.
//
// A Coordinator starts whether or not ZooKeeper serves, and goes on through any
// outage of it. The package does not decide who serves what, and stores no
// message.
package zk
