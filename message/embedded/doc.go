// Package embedded is the message.Store on Pebble: one process, one folder, every
// write synced to disk before it is acknowledged. It neither replicates nor can
// be opened twice; a cluster stores in HBase.
//
// The key space has tables, told apart by the first byte:
//
//	m row key            a message's envelope
//	m row key 01         a marker: the message was recalled or discarded
//	k key                the key's watermarks: deleted, expired
//	i key 00 idem key    an idempotency key: id, body sum, expiry
//	e expiry + m... or i...   what ends when; the sweep goes by it
//	v                    the format's version
//
// When the log cannot be written (the disk is full, say), the process ends:
// Pebble cannot go on, and what it keeps in memory is not on disk. Nothing was
// acknowledged that is not there when the next process opens the folder.
package embedded
