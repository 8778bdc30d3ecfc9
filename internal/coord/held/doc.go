// Package held is what callers of coordination hold in their hands: the picture
// of the cluster, and their terms. Both are fed with the actions of a
// coord.Machine that tell a caller something. The package decides nothing, does
// no I/O and starts no goroutine.
package held
