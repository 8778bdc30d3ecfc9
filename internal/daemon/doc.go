// Package daemon is the life of a process: signals, components that start in
// order and stop in reverse, the ops listener, the log, and the limit of open
// files. It knows no role and no configuration file, and it never ends the
// process by itself except on a second signal.
package daemon
