package serve

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gopush/internal/token"
)

// followRevoked keeps the comets and the web of this process up to date with the revoked
// tokens. They start once it was tried to read which there are: with a store that
// answers, no client comes before that is known.
func (s *System) followRevoked(ctx context.Context, ready func()) (err error) {
	log := s.part("tokens")
	calls, err := s.clients(log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, calls.close()) }()
	if s.cfg.Settings.Tokens.Required {
		s.health.Add("tokens", s.knowsRevoked)
	}
	s.tokens.Follow(ctx, calls.messages, s.cfg.Now, log, ready)
	return nil
}

// knowsRevoked is nil once it is known which tokens are revoked, however old that is.
func (s *System) knowsRevoked() error {
	if _, read := s.tokens.Revoked(); read.IsZero() {
		return errors.New("it is not known yet which tokens are revoked")
	}
	return nil
}

// watchRevoked tells how many tokens are revoked, and how fresh that is.
func (s *System) watchRevoked() error {
	help := fmt.Sprintf("Revoked tokens that this process knows of; there can be %d at one time.", token.MaxRevoked)
	count := func() float64 {
		n, _ := s.tokens.Revoked()
		return float64(n)
	}
	const freshHelp = "When this process knew all revoked tokens last, in seconds since 1970; 0: never yet, and tokens are not accepted."
	fresh := func() float64 {
		_, read := s.tokens.Revoked()
		if read.IsZero() {
			return 0
		}
		return float64(read.UnixNano()) / float64(time.Second)
	}
	return errors.Join(
		s.metrics.Register(gauge("gopush_tokens_revoked", help, count)),
		s.metrics.Register(gauge("gopush_tokens_revoked_read_timestamp_seconds", freshHelp, fresh)),
	)
}
