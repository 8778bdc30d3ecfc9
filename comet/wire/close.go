package wire

// CloseCode is why a v2 websocket was closed.
type CloseCode int

// The reconnect class, 4000 to 4099: keep the cursor, look the node up again, and
// come back with a backoff.
const (
	CloseWrongNode     CloseCode = 4001 // the key is not served here
	CloseDraining      CloseCode = 4002 // the node is leaving
	CloseOverloaded    CloseCode = 4003
	CloseOwnershipLost CloseCode = 4004
	CloseHeartbeat     CloseCode = 4005 // nothing was heard from the client
)

// The terminal class, 4100 to 4199: do not come back unchanged.
const (
	CloseBadRequest      CloseCode = 4101
	CloseUnauthenticated CloseCode = 4102 // the token is missing or invalid
	CloseTokenExpired    CloseCode = 4103
	CloseForbidden       CloseCode = 4104 // the token is for other keys
	CloseTooMany         CloseCode = 4105 // too many connections
	CloseRevoked         CloseCode = 4106
)

// Terminal reports whether the same request would fail again.
func (c CloseCode) Terminal() bool { return c >= 4100 && c <= 4199 }

// Text is a short name in words; "other" for a code that is not listed here, so
// that the number of texts stays bounded.
func (c CloseCode) Text() string {
	switch c {
	case CloseWrongNode:
		return "wrong node"
	case CloseDraining:
		return "draining"
	case CloseOverloaded:
		return "overloaded"
	case CloseOwnershipLost:
		return "ownership lost"
	case CloseHeartbeat:
		return "heartbeat missed"
	case CloseBadRequest:
		return "bad request"
	case CloseUnauthenticated:
		return "token missing or invalid"
	case CloseTokenExpired:
		return "token expired"
	case CloseForbidden:
		return "key not allowed"
	case CloseTooMany:
		return "too many connections"
	case CloseRevoked:
		return "revoked"
	default:
		return "other"
	}
}
