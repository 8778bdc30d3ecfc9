package cert

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// Files are the PEM files of one listener.
type Files struct {
	// Cert is the certificate, and after it those between it and its authority.
	Cert string
	// Key is its private key, not encrypted.
	Key string
	// CA are the authorities that certificates of peers must come from; empty: peers
	// show none.
	CA string
}

// maxFile bounds a file; a chain has a few kilobytes, a list of authorities some
// hundred.
const maxFile = 4 << 20

// Pair is what the files held when they were read. It is immutable.
type Pair struct {
	// Certificate has its Leaf.
	Certificate tls.Certificate
	// Authorities are those of peers; nil without Files.CA.
	Authorities *x509.CertPool
	// Warnings say what an operator should change, though the pair can be used.
	Warnings []string

	mark [sha256.Size]byte // of what peers are shown and judged by
}

// Leaf is the certificate itself.
func (p *Pair) Leaf() *x509.Certificate { return p.Certificate.Leaf }

// Load reads the files at the time now. An expired certificate is a warning, as a
// listener with it serves those who do not look, and one without serves nobody. The
// error says which file is wrong, and what to do.
func Load(f Files, now time.Time) (*Pair, error) {
	chain, err := read(f.Cert)
	if err != nil {
		return nil, err
	}
	key, err := read(f.Key)
	if err != nil {
		return nil, err
	}
	c, err := tls.X509KeyPair(chain, key)
	if err != nil {
		return nil, fmt.Errorf("%s and %s are no pair: %w; both must be PEM, the key without a password and that of the first certificate", f.Cert, f.Key, err)
	}
	p := &Pair{Certificate: c, mark: sha256.Sum256(chain)}
	p.warn(f, now)
	if f.CA == "" {
		return p, nil
	}
	roots, err := read(f.CA)
	if err != nil {
		return nil, err
	}
	p.mark = sha256.Sum256(append(chain, roots...))
	p.Authorities = x509.NewCertPool()
	if !p.Authorities.AppendCertsFromPEM(roots) {
		return nil, fmt.Errorf("%s holds no certificate; it must be the PEM of the authorities", f.CA)
	}
	if err := p.checkAuthority(now); err != nil {
		return nil, fmt.Errorf("%s would be refused by peers that know %s: %w", f.Cert, f.CA, err)
	}
	return p, nil
}

// read bounds what is taken for a file of certificates.
func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err // it names the file
	}
	defer func() { _ = f.Close() }() // only read
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("%s has more than %d bytes; it is no file of certificates", path, maxFile)
	}
	return b, nil
}

// warn notes what is wrong with a pair that works.
func (p *Pair) warn(f Files, now time.Time) {
	switch leaf := p.Leaf(); {
	case now.After(leaf.NotAfter):
		p.Warnings = append(p.Warnings, fmt.Sprintf("it expired at %s; put a new one in its place", leaf.NotAfter.UTC().Format(time.RFC3339)))
	case now.Before(leaf.NotBefore):
		p.Warnings = append(p.Warnings, fmt.Sprintf("it is valid from %s on; look at the clock of this machine", leaf.NotBefore.UTC().Format(time.RFC3339)))
	}
	// A group may read keys, as that is how systems share them with their services.
	if info, err := os.Stat(f.Key); err == nil && info.Mode().Perm()&0o027 != 0 {
		p.Warnings = append(p.Warnings, fmt.Sprintf("others can read or change its private key %s (mode %#o); chmod 600 it, and replace it if they may have", f.Key, info.Mode().Perm()))
	}
}

// checkAuthority reports what would keep peers with the same authorities from taking
// the certificate, for either end of a connection. That it has expired is a warning.
func (p *Pair) checkAuthority(now time.Time) error {
	leaf := p.Leaf()
	between := x509.NewCertPool()
	for _, raw := range p.Certificate.Certificate[1:] {
		if c, err := x509.ParseCertificate(raw); err == nil {
			between.AddCert(c)
		}
	}
	switch {
	case now.After(leaf.NotAfter):
		now = leaf.NotAfter
	case now.Before(leaf.NotBefore):
		now = leaf.NotBefore
	}
	var errs []error
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		_, err := leaf.Verify(x509.VerifyOptions{
			Roots: p.Authorities, Intermediates: between, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{usage},
		})
		if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok && e.Reason == x509.IncompatibleUsage {
			err = fmt.Errorf("%w; between the roles it is shown by both ends, so it needs the usages serverAuth and clientAuth", err)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
