// Package serve puts roles together in one process: message, comet and web, all of
// them or some, over the store and the coordination that the settings name. Between
// the roles is the same RPC whether they share a process or not; nothing is called
// directly. The package holds no logic of a role, prints nothing, and handles no
// signals.
package serve
