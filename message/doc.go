// Package message is the node that stores: the Store interface with the row key
// and the envelope that every implementation writes, and the Service that answers
// comet and web nodes from a Store. It keeps no connection of a client, gives no
// ids, and decides nothing about order: a comet has done both before it asks.
package message
