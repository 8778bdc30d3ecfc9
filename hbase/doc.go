// Package hbase is the message.Store on HBase, for clusters: the rows of a table
// and the client that reads and writes them. The client routes each call itself,
// over gohbase's connections to region servers; it gives every call a deadline,
// notices servers that hang, and finds its way back when HBase or ZooKeeper was
// away, however long.
//
// The rows of one subscription key lie together:
//
//	key 00 reversed id      one write: a cell per message, and the markers of
//	                        messages that were recalled or discarded
//	key 00 0000000000000000 the head of the key, before its messages: how far
//	                        the key was deleted
//	key 00 ff idem key      what an idempotency key leads to, behind them
//
// It gives no ids, decides nothing about order, and neither makes tables nor
// changes them while it serves. HBase is told no secret, and talks to us without
// encryption: the network has to be a trusted one.
package hbase
