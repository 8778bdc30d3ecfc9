// Package bench puts load on a gopush from outside, through its public protocols
// alone, and says what came of it: how long acks and deliveries took, and whether
// what was acknowledged has arrived, once and in order.
//
// Pushes follow a schedule that does not wait for the server, and times count from
// the schedule: a server that stands still for a second shows as that second in
// every push that was due meanwhile, not in one.
//
// It prints nothing, reads no flags and starts no server.
package bench
