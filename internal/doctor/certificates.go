package doctor

import (
	"fmt"
	"strings"
	"time"

	"gopush/internal/cert"
)

// soon is when a certificate that is about to expire is worth a note; the alert of
// Prometheus has the same.
const soon = 14 * 24 * time.Hour

// Certificate is one that the settings name.
type Certificate struct {
	// Listener is whose it is, as in the settings: comet, web, rpc or ops.
	Listener string
	Files    cert.Files
	// Hosts are the names and addresses that others connect to, as far as the settings
	// say; its names have to cover them.
	Hosts []string
}

// certificates looks at each of them as it will be read at the next start or reload.
func certificates(all []Certificate, now time.Time) []Finding {
	var found []Finding
	for _, c := range all {
		found = append(found, certificate(c, now)...)
	}
	return found
}

func certificate(c Certificate, now time.Time) []Finding {
	check := about("certificate of " + c.Listener)
	p, err := cert.Load(c.Files, now)
	if err != nil {
		return []Finding{check.say(Wrong, fmt.Sprintf("Put PEM files that go together where %s and its kin say, readable for this user.", c.setting()), "%s", err)}
	}
	found := []Finding{lifetime(check, p, now)}
	for _, host := range c.Hosts {
		if err := p.Leaf().VerifyHostname(host); err != nil {
			found = append(found, check.say(Wrong, fmt.Sprintf("Have one issued with subjectAltName %s, or change the address that others are told.", host),
				"clients that connect to %s refuse it: %s", host, err))
		}
	}
	for _, w := range p.Warnings {
		// That it has expired is said already.
		if strings.Contains(w, c.Files.Key) {
			found = append(found, check.say(Note, "chmod 600 "+c.Files.Key, "%s", w))
		}
	}
	return found
}

// setting is what names the file.
func (c Certificate) setting() string {
	if c.Listener == "ops" {
		return "ops_tls_cert"
	}
	return c.Listener + ".tls_cert"
}

// lifetime says for how long it can be used.
func lifetime(check about, p *cert.Pair, now time.Time) Finding {
	const fix = "Put a new one in its place, and send gopush SIGHUP."
	leaf := p.Leaf()
	until := leaf.NotAfter.UTC().Format(time.RFC3339)
	switch left := leaf.NotAfter.Sub(now); {
	case left <= 0:
		return check.say(Wrong, fix, "it expired at %s", until)
	case now.Before(leaf.NotBefore):
		return check.say(Wrong, "Look at the clock of this machine, or wait.", "it is valid from %s on", leaf.NotBefore.UTC().Format(time.RFC3339))
	case left < soon:
		return check.say(Note, fix, "it expires in %d days, at %s", int(left/(24*time.Hour)), until)
	default:
		return check.ok("valid for %d days, until %s; its key goes with it", int(left/(24*time.Hour)), until)
	}
}
