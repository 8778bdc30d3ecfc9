// Package token makes and checks the signed tokens that clients show: JSON Web Tokens
// (RFC 7519) with a fixed choice of algorithms, bound to subscription keys, with an end.
//
// A token's header names the key that signed it (kid), which is looked up and used for
// nothing else; the algorithm belongs to that key, whatever the header says. Claims:
//
//	key     the subscription key, or a list of them; needed
//	exp     when it ends, in seconds since the Unix epoch; needed
//	nbf     when it begins
//	jti     its name, by which it can be revoked; several tokens of one name are revoked together
//	public  false: not for public messages
//
// Which tokens are revoked is stored as messages under push.RevokedKey. Who revokes pushes
// there; every node follows them.
//
// The package reads no file, keeps no connection and does not decide who needs a token.
package token
