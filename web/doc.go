// Package web is the role that speaks HTTP: the public API, which tells a
// device where its comet node is and hands out stored messages, and the admin
// API, which pushes, recalls and deletes. Both come in the form of protocol v1
// (byte-exact for existing clients) and of protocol v2.
//
// The package is stateless: it routes by a coord.Directory, reads from message
// nodes and pushes through comet nodes, all over small interfaces. It does not
// give ids, keep messages, hold device connections, or decide who owns a key;
// and it knows no configuration file, flag or environment.
package web
