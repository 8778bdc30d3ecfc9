package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net/http"
	"strings"

	"gopush/internal/push"
)

// AdminRole is what an administrator may do.
type AdminRole uint8

const (
	// Viewer may look, and change nothing: GET alone.
	Viewer AdminRole = iota + 1
	// Operator may do everything.
	Operator
)

// String is the role's name in files and logs.
func (r AdminRole) String() string {
	switch r {
	case Viewer:
		return "viewer"
	case Operator:
		return "operator"
	default:
		return "none"
	}
}

// ParseAdminRole is the reverse of String.
func ParseAdminRole(s string) (AdminRole, error) {
	for _, r := range []AdminRole{Viewer, Operator} {
		if r.String() == s {
			return r, nil
		}
	}
	return 0, fmt.Errorf("%.20q is no role; write viewer or operator", s)
}

// allows reports whether a request with the method is within the role. No GET of the
// admin API has an effect.
func (r AdminRole) allows(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return r == Viewer || r == Operator
	default:
		return r == Operator
	}
}

// Admin is one who may use the admin API.
type Admin struct {
	Name   string // for the audit log
	Role   AdminRole
	Digest [sha256.Size]byte // SHA-256 of the token; the token itself is not kept
}

// NewAdmin knows its administrator by a token.
func NewAdmin(name string, role AdminRole, token string) Admin {
	return Admin{Name: name, Role: role, Digest: sha256.Sum256([]byte(token))}
}

// SetAdmins replaces those who may use the admin API, from the next request on; what is
// under way goes on. There has to be one, as the API would be open without.
func (s *Server) SetAdmins(admins []Admin) { s.admins.Store(&admins) }

// byToken finds who sends the request. All entries are compared, in constant time: neither
// a token's bytes or length nor its place in the list show in how long the answer takes.
func byToken(admins []Admin, r *http.Request) (*Admin, error) {
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	got := sha256.Sum256([]byte(given))
	found := -1
	for i := range admins {
		same := subtle.ConstantTimeCompare(admins[i].Digest[:], got[:])
		found = subtle.ConstantTimeSelect(same, i, found)
	}
	if !strings.EqualFold(scheme, "Bearer") || found < 0 {
		return nil, push.E(push.KindUnauthenticated, "send the admin token as the header Authorization: Bearer TOKEN")
	}
	return &admins[found], nil
}
