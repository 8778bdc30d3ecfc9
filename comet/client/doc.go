// Package client listens to a key over protocol v2. It looks the key's node up,
// connects, hands every message to the application once and in order, and comes
// back by itself: with its cursors after a lost connection, at the server's pace
// when a node leaves, and never after a refusal that would only repeat itself.
// It checks the chain of ids, so that nothing can go missing unnoticed.
//
// Where servers require tokens, Config.TokenSource gives them: the client asks for the
// first one before it connects, and for the next one in time to show it on the connection
// that stands, so that short tokens cost no reconnects. SetToken is for those who
// would rather push tokens in.
//
// The package keeps cursors in memory only; an application that wants to go on
// after a restart keeps those that come with each event. It does not push, and
// it speaks neither v1 nor server-sent events.
package client
