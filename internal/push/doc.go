// Package push is the vocabulary of the whole system: subscription keys,
// message ids, messages, what a store is asked and answers, and the kinds of
// errors. Every other package may import it; it imports the standard library
// alone. It holds no behaviour beyond parsing and formatting its own values:
// nothing here makes an id, keeps a message or talks to a network.
package push
