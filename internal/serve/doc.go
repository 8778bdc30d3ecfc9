// Package serve puts the three roles together in one process: message, comet
// and web over the store that the settings name, and in-process coordination. Between the
// roles is the same RPC as in a cluster, over loopback; nothing is called
// directly. The package holds no logic of a role, prints nothing, and handles
// no signals.
package serve
