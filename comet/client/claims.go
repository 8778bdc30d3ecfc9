package client

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// endOf reads from a token's claims when it ends, to the second as servers do. Nothing is
// verified, as the answer decides only when to ask for the next one. The zero time: it does
// not say.
func endOf(token string) time.Time {
	const lastSecond = 253402300799 // of the year 9999
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}
	}
	body, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return time.Time{}
	}
	// A map, as names of claims count as they are written.
	var claims map[string]json.RawMessage
	var exp float64
	if json.Unmarshal(body, &claims) != nil || json.Unmarshal(claims["exp"], &exp) != nil || exp <= 0 || exp > lastSecond {
		return time.Time{}
	}
	return time.Unix(int64(exp), 0)
}

// clock is that of the servers, which decides when a token has ended, as far as it is known
// here. The zero value is this machine's.
type clock struct {
	theirs, ours time.Time // the same moment
}

// dateSlack is how far this machine's clock may be from a Date header and still be as good:
// the header has whole seconds, and was some time on its way.
const dateSlack = 2 * time.Second

// learn reads the Date of an answer that came just now.
func (c *clock) learn(header http.Header) {
	now := time.Now()
	date, err := http.ParseTime(header.Get("Date"))
	if err != nil || date.Sub(now).Abs() <= dateSlack {
		date = now
	}
	*c = clock{theirs: date, ours: now}
}

// now goes on from what was learned by the time that has passed since, even if this
// machine's clock is set meanwhile.
func (c *clock) now() time.Time {
	if c.ours.IsZero() {
		return time.Now()
	}
	return c.theirs.Add(time.Since(c.ours))
}
