package wire

import (
	"encoding/json"
	"errors"
	"fmt"
)

// MaxClientFrame is the largest frame that a client may send, in bytes.
const MaxClientFrame = 16 << 10

// ErrFrame is what is no v2 frame. A server closes with CloseBadRequest.
var ErrFrame = errors.New("wire: not a v2 frame")

// ClientFrame is what a v2 client says. Types other than TypePing and TypeToken
// are those of a later version.
type ClientFrame struct {
	Type  string
	Token string // TypeToken: the new token
}

// ParseClientFrame reads one frame of a client. What is larger than
// MaxClientFrame, no JSON object, without a type, or a token frame without a
// token is ErrFrame. Unknown fields are ignored, and field names are exact.
func ParseClientFrame(data []byte) (ClientFrame, error) {
	if len(data) > MaxClientFrame {
		return ClientFrame{}, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrFrame, len(data), MaxClientFrame)
	}
	// A map, as struct fields would also match names in another case. The bound
	// above bounds it too, and encoding/json bounds the depth.
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return ClientFrame{}, fmt.Errorf("%w: %w", ErrFrame, err)
	}
	f := ClientFrame{Type: textOf(fields["type"])}
	if f.Type == "" {
		return ClientFrame{}, fmt.Errorf("%w: no type", ErrFrame)
	}
	if f.Type != TypeToken {
		return f, nil
	}
	if f.Token = textOf(fields["token"]); f.Token == "" || len(f.Token) > MaxToken {
		return ClientFrame{}, fmt.Errorf("%w: a token frame without a token of 1 to %d bytes", ErrFrame, MaxToken)
	}
	return f, nil
}

// textOf is the text of a JSON string, and empty for everything else.
func textOf(raw json.RawMessage) string {
	var s *string
	if json.Unmarshal(raw, &s) != nil || s == nil {
		return ""
	}
	return *s
}

// AppendPing adds the frame that a server answers with AppendPong's.
func AppendPing(dst []byte) []byte { return append(dst, `{"type":"ping"}`...) }

// AppendToken adds {"type":"token","token":T}, which renews an expiring token.
func AppendToken(dst []byte, token string) []byte {
	dst = appendString(append(dst, `{"type":"token","token":`...), token, false)
	return append(dst, '}')
}
