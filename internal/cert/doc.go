// Package cert reads certificates from PEM files and gives them to listeners and
// clients in a form that can be exchanged while connections are open: a Source keeps
// the newest good pair, and each handshake takes the one of that moment. It opens no
// connection, does not decide which listener has a certificate, and does not watch its
// files: somebody calls Read, and Use.
package cert
