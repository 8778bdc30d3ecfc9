// Package rpc is the contract between the roles and its transport: gRPC with
// the generated messages of internal/rpc/pb, pipelined streams for pushes,
// writes and reads, and error kinds that survive the hop. It knows what roles
// say to each other, not why: no ownership, no order, no retry of a push lives
// here.
package rpc
