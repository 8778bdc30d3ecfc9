// Package wire holds the client protocols as bytes: v1 over TCP and websocket,
// and v2 over websocket and server-sent events. Functions whose name begins with
// Append add the bytes that a peer sends to dst and return it; those that begin
// with Parse or Read take what came from a peer apart, and check every limit
// before they allocate.
//
// The package opens no connection, starts no goroutine, sets no deadline and
// keeps no state. It does not make websocket frames either: a v2 frame here is
// the JSON text inside one.
package wire
