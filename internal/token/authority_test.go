package token

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"gopush/internal/push"
)

var (
	now    = time.Unix(1_800_000_000, 0)
	secret = []byte("0123456789abcdef0123456789abcdef")
)

const secretLine = "s HS256 MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\n"

// authority has a secret and a pair of keys; the pair's lines are given back.
func authority(t testing.TB) (a *Authority, private, public string) {
	t.Helper()
	private, public, err := Generate("e", EdDSA)
	if err != nil {
		t.Fatal(err)
	}
	keys, err := ParseKeys(secretLine + private)
	if err != nil {
		t.Fatal(err)
	}
	if a, err = New(Config{}, keys); err != nil {
		t.Fatal(err)
	}
	return a, private, public
}

// signed makes a token whose header and claims are exactly these.
func signed(t testing.TB, header, claims string, method jwt.SigningMethod, key any) string {
	t.Helper()
	b64 := base64.RawURLEncoding.EncodeToString
	text := b64([]byte(header)) + "." + b64([]byte(claims))
	sig, err := method.Sign(text, key)
	if err != nil {
		t.Fatal(err)
	}
	return text + "." + b64(sig)
}

// hs signs claims with the secret as it should be.
func hs(t testing.TB, claims string) string {
	t.Helper()
	return signed(t, `{"alg":"HS256","kid":"s"}`, claims, jwt.SigningMethodHS256, secret)
}

// What a token has to be, and what is said of one that is not. The kind decides about the
// close code.
//
// Broken once by taking the algorithm from the header, once by taking a token without an
// end, once by leaving nbf out, and once by not bounding the end.
func TestVerify(t *testing.T) {
	a, private, public := authority(t)
	pair, _ := ParseKeys(private)
	publicBytes := []byte(strings.Fields(public)[2])
	raw, _ := base64.RawURLEncoding.DecodeString(string(publicBytes))
	at := func(d time.Duration) string { return fmt.Sprint(now.Add(d).Unix()) }
	good := `{"key":"k","exp":` + at(time.Hour) + `}`
	const eHeader, sHeader = `{"alg":"EdDSA","kid":"e"}`, `{"alg":"HS256","kid":"s"}`
	for _, tt := range []struct {
		name, token string
		kind        push.Kind // empty: valid
		says        string
	}{
		{"HS256", hs(t, good), "", ""},
		{"EdDSA", signed(t, eHeader, good, jwt.SigningMethodEdDSA, pair[0].sign), "", ""},
		{"unicode", hs(t, `{"key":"schlüssel-中文-😀","exp":`+at(time.Hour)+`}`), "", ""},
		{"longest life", hs(t, `{"key":"k","exp":`+at(30*24*time.Hour)+`}`), "", ""},
		{"nbf within the leeway", hs(t, `{"key":"k","exp":`+at(time.Hour)+`,"nbf":`+at(leeway)+`}`), "", ""},
		{"unknown claims", hs(t, `{"key":"k","x":{"y":[1]},"sub":"u","aud":["a"],"exp":`+at(time.Hour)+`}`), "", ""},

		{"none given", "", push.KindUnauthenticated, "is needed"},
		{"no token at all", "xyz", push.KindUnauthenticated, "no JSON Web Token"},
		{"two parts", "a.b", push.KindUnauthenticated, "no JSON Web Token"},
		{"four parts", hs(t, good) + ".x", push.KindUnauthenticated, "no JSON Web Token"},
		{"padding", hs(t, good) + "=", push.KindUnauthenticated, "no JSON Web Token"},
		{"huge", strings.Repeat("a", MaxBytes+1), push.KindUnauthenticated, "4097 bytes"},
		{"huge and signed", hs(t, `{"key":"k","exp":`+at(time.Hour)+`,"x":"`+strings.Repeat("x", MaxBytes)+`"}`), push.KindUnauthenticated, "at most 4096"},
		{"claims changed", forge(hs(t, good), strings.Replace(good, `"k"`, `"other"`, 1)), push.KindUnauthenticated, "signature"},
		{"no signature", hs(t, good)[:strings.LastIndex(hs(t, good), ".")+1], push.KindUnauthenticated, "signature"},
		{"another's secret", signed(t, sHeader, good, jwt.SigningMethodHS256, []byte("x")), push.KindUnauthenticated, "signature"},

		{"spare bits of the signature", spare(hs(t, good)), push.KindUnauthenticated, "no JSON Web Token"},

		{"none", signed(t, `{"alg":"none","kid":"s"}`, good, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType), push.KindUnauthenticated, "HS256 and EdDSA"},
		{"None", signed(t, `{"alg":"None","kid":"s"}`, good, jwt.SigningMethodHS256, secret), push.KindUnauthenticated, "HS256 or EdDSA"},
		{"no alg", signed(t, `{"kid":"s"}`, good, jwt.SigningMethodHS256, secret), push.KindUnauthenticated, "HS256 or EdDSA"},
		{"HS512", signed(t, `{"alg":"HS512","kid":"s"}`, good, jwt.SigningMethodHS512, secret), push.KindUnauthenticated, "HS256 and EdDSA"},
		{"public key as a secret", signed(t, `{"alg":"HS256","kid":"e"}`, good, jwt.SigningMethodHS256, raw), push.KindUnauthenticated, "not the one of its key"},
		{"public key as a secret, as written", signed(t, `{"alg":"HS256","kid":"e"}`, good, jwt.SigningMethodHS256, publicBytes), push.KindUnauthenticated, "not the one of its key"},
		{"the other key's id", signed(t, `{"alg":"EdDSA","kid":"s"}`, good, jwt.SigningMethodEdDSA, pair[0].sign), push.KindUnauthenticated, "not the one of its key"},
		{"no kid", signed(t, `{"alg":"HS256"}`, good, jwt.SigningMethodHS256, secret), push.KindUnauthenticated, "names no key"},
		{"kid of another type", signed(t, `{"alg":"HS256","kid":["s"]}`, good, jwt.SigningMethodHS256, secret), push.KindUnauthenticated, "names no key"},
		{"kid as a path", signed(t, `{"alg":"HS256","kid":"../../dev/null"}`, good, jwt.SigningMethodHS256, []byte{}), push.KindUnauthenticated, "not known here"},
		{"kid as SQL", signed(t, `{"alg":"HS256","kid":"s' OR '1'='1"}`, good, jwt.SigningMethodHS256, secret), push.KindUnauthenticated, "not known here"},
		{"kid as a URL", signed(t, `{"alg":"HS256","kid":"http://evil.example/k","jku":"http://evil.example/k"}`, good, jwt.SigningMethodHS256, secret), push.KindUnauthenticated, "not known here"},
		{"a key in the header", signed(t, `{"alg":"HS256","kid":"x","jwk":{"kty":"oct","k":"AA"}}`, good, jwt.SigningMethodHS256, []byte{0}), push.KindUnauthenticated, "not known here"},
		{"critical extension", signed(t, `{"alg":"HS256","kid":"s","crit":["b64"],"b64":false}`, good, jwt.SigningMethodHS256, secret), push.KindUnauthenticated, "critical"},

		{"no exp", hs(t, `{"key":"k"}`), push.KindUnauthenticated, "no end"},
		{"exp is null", hs(t, `{"key":"k","exp":null}`), push.KindUnauthenticated, "no end"},
		{"exp is text", hs(t, `{"key":"k","exp":"tomorrow"}`), push.KindUnauthenticated, "no JSON Web Token"},
		{"exp is huge", hs(t, `{"key":"k","exp":1e300}`), push.KindUnauthenticated, "out of range"},
		{"exp is negative", hs(t, `{"key":"k","exp":-1}`), push.KindUnauthenticated, "out of range"},
		{"nbf is huge", hs(t, `{"key":"k","nbf":-1e300,"exp":`+at(time.Hour)+`}`), push.KindUnauthenticated, "out of range"},
		{"expired", hs(t, `{"key":"k","exp":`+at(-time.Hour)+`}`), push.KindTokenExpired, "expired"},
		{"expired now", hs(t, `{"key":"k","exp":`+at(0)+`}`), push.KindTokenExpired, "expired"},
		{"not yet valid", hs(t, `{"key":"k","exp":`+at(time.Hour)+`,"nbf":`+at(leeway+time.Second)+`}`), push.KindUnauthenticated, "not valid yet"},
		{"life too long", hs(t, `{"key":"k","exp":`+at(31*24*time.Hour)+`}`), push.KindUnauthenticated, "further ahead than 720h0m0s"},

		{"no key", hs(t, `{"exp":`+at(time.Hour)+`}`), push.KindUnauthenticated, "for 0 subscription keys"},
		{"many keys", hs(t, `{"key":[`+strings.Repeat(`"k",`, MaxGranted)+`"k"],"exp":`+at(time.Hour)+`}`), push.KindUnauthenticated, "for 17 subscription keys"},
		{"key is a number", hs(t, `{"key":7,"exp":`+at(time.Hour)+`}`), push.KindUnauthenticated, "no JSON Web Token"},
		{"key is empty", hs(t, `{"key":"","exp":`+at(time.Hour)+`}`), push.KindUnauthenticated, "not valid"},
		{"key is the public stream", hs(t, `{"key":"\u0001public","exp":`+at(time.Hour)+`}`), push.KindUnauthenticated, "not valid"},
		{"key is everything", hs(t, `{"key":"*","exp":`+at(time.Hour)+`}`), "", ""}, // a key like any other
		{"jti with spaces", hs(t, `{"key":"k","jti":"a b","exp":`+at(time.Hour)+`}`), push.KindUnauthenticated, "jti"},
		{"jti too long", hs(t, `{"key":"k","jti":"`+strings.Repeat("a", 65)+`","exp":`+at(time.Hour)+`}`), push.KindUnauthenticated, "jti"},
		{"null", hs(t, `null`), push.KindUnauthenticated, "for 0 subscription keys"},
	} {
		g, err := a.Verify(tt.token, now)
		switch {
		case (err == nil) != (tt.kind == "") || err != nil && push.KindOf(err) != tt.kind || err != nil && !strings.Contains(err.Error(), tt.says):
			t.Errorf("%s: %v", tt.name, err)
		case err != nil && (len(g.Keys) > 0 || strings.Contains(err.Error(), "evil") || strings.Contains(err.Error(), "'1'")):
			t.Errorf("%s: %+v, %v", tt.name, g, err)
		case err == nil && (len(g.Keys) != 1 || !g.Public || g.Expires.IsZero()):
			t.Errorf("%s: %+v", tt.name, g)
		}
	}
}

// spare changes bits of a token's last letter that stand for nothing.
func spare(token string) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	end := len(token) - 1
	return token[:end] + string(letters[strings.IndexByte(letters, token[end])|1])
}

// forge replaces the claims of a token and keeps its signature.
func forge(token, claims string) string {
	parts := strings.Split(token, ".")
	return parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + "." + parts[2]
}

// Names of claims count as they are written, not in other letters.
//
// Broken once by leaving the reading to encoding/json.
func TestClaimsByTheirNames(t *testing.T) {
	a, _, _ := authority(t)
	at := now.Add(time.Hour).Unix()
	for claims, says := range map[string]string{
		fmt.Sprintf(`{"KEY":"k","exp":%d}`, at): "for 0 subscription keys",
		fmt.Sprintf(`{"key":"k","EXP":%d}`, at): "no end",
	} {
		if _, err := a.Verify(hs(t, claims), now); !push.Is(err, push.KindUnauthenticated) || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", claims, err)
		}
	}
	g, err := a.Verify(hs(t, fmt.Sprintf(`{"key":"mine","KEY":"yours","Key":"yours","exp":%d}`, at)), now)
	if err != nil || len(g.Keys) != 1 || g.Keys[0] != "mine" {
		t.Errorf("%+v, %v", g, err)
	}
}

// What is minted is what is verified, by whoever has the public half.
//
// Broken once by minting with the last key, once by leaving public out, and once by giving an
// hour always.
func TestMint(t *testing.T) {
	a, private, public := authority(t)
	want := push.Grant{Keys: []push.Key{"a", "中文"}, ID: "t-1", Expires: now.Add(time.Hour), KeyID: "s"}
	text, g, err := a.Mint(want, now)
	if d := cmp.Diff(want, g); err != nil || d != "" {
		t.Fatalf("%v %s", err, d)
	}
	if g, err = a.Verify(text, now); err != nil || cmp.Diff(want, g) != "" {
		t.Errorf("%v, %s", err, cmp.Diff(want, g))
	}
	for key, allowed := range map[push.Key]bool{"a": true, "中文": true, "b": false, "A": false, "": false} {
		if err := g.Check(key); (err == nil) != allowed || err != nil && !push.Is(err, push.KindForbidden) {
			t.Errorf("%q: %v", key, err)
		}
	}
	_, g, err = a.Mint(push.Grant{Keys: []push.Key{"a"}, Public: true, Expires: now.Add(time.Hour)}, now)
	if err != nil || len(g.ID) < 26 || !g.Public {
		t.Errorf("%+v, %v", g, err)
	}

	first, _ := ParseKeys(private + "\n" + secretLine)
	if err := a.SetKeys(first); err != nil {
		t.Fatal(err)
	}
	text, _, err = a.Mint(want, now)
	if err != nil {
		t.Fatal(err)
	}
	checks, _ := ParseKeys(public)
	b, err := New(Config{}, checks)
	if err != nil {
		t.Fatal(err)
	}
	if g, err := b.Verify(text, now); err != nil || g.KeyID != "e" {
		t.Errorf("%+v, %v", g, err)
	}
	if _, _, err := b.Mint(want, now); !push.Is(err, push.KindConflict) {
		t.Errorf("a public key signs: %v", err)
	}
	for life, short := range map[time.Duration]time.Duration{time.Hour: 0, time.Minute: time.Minute} {
		a, err := New(Config{MaxLife: short}, first)
		if err != nil {
			t.Fatal(err)
		}
		if _, g, err := a.Mint(push.Grant{Keys: want.Keys}, now); err != nil || !g.Expires.Equal(now.Add(life)) {
			t.Errorf("without an end, with tokens of at most %s: %s, %v", short, g.Expires, err)
		}
	}
	for name, g := range map[string]push.Grant{
		"no key": {Expires: now.Add(time.Hour)}, "past": {Keys: want.Keys, Expires: now.Add(-1)},
		"for ever": {Keys: want.Keys, Expires: now.Add(1e6 * time.Hour)}, "odd id": {Keys: want.Keys, Expires: now.Add(time.Hour), ID: "a b"},
		"large": {Keys: large(), Expires: now.Add(time.Hour)},
	} {
		if text, _, err := a.Mint(g, now); text != "" || !push.Is(err, push.KindBadRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// large are as many and as long keys as there can be.
func large() (keys []push.Key) {
	for i := range MaxGranted {
		keys = append(keys, push.Key(fmt.Sprintf("%02d%s", i, strings.Repeat("中", 84))))
	}
	return keys
}

// Keys are replaced while tokens are checked: a new one comes first, the old ones go when
// their last token is over.
//
// Broken once by keeping the keys of the start.
func TestRotation(t *testing.T) {
	a, private, _ := authority(t)
	old := hs(t, fmt.Sprintf(`{"key":"k","exp":%d}`, now.Add(time.Hour).Unix()))
	g, err := a.Verify(old, now)
	if err != nil || a.Withdrawn(&g) {
		t.Fatal(err)
	}
	changed := a.Changed()
	next, _ := ParseKeys(private)
	if err := a.SetKeys(next); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Verify(old, now); !push.Is(err, push.KindUnauthenticated) {
		t.Errorf("the key is gone: %v", err)
	}
	select {
	case <-changed:
	default:
		t.Error("nobody is told")
	}
	if !a.Withdrawn(&g) {
		t.Error("what the key signed still holds")
	}
	if err := a.SetKeys(nil); err == nil {
		t.Error("no keys are taken")
	}
}

// A file of keys is read strictly, and no error shows what is in it.
//
// Broken once by taking any length, and once by letting two lines have one key.
func TestParseKeys(t *testing.T) {
	private, public, err := Generate("e", EdDSA)
	if err != nil {
		t.Fatal(err)
	}
	b64 := func(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
	keys, err := ParseKeys("# first signs\n\n" + secretLine + "\tp  EdDSA " + strings.Fields(public)[2] + "\r\nh2 HS256 " + b64([]byte(strings.Repeat("\xff\xfe", 33))))
	if err != nil || len(keys) != 3 || keys[1].sign != nil || keys[1].id != "p" {
		t.Errorf("%d keys, %v", len(keys), err)
	}
	half := strings.Fields(private)[2]
	flipped := strings.Replace(half, half[:1], map[bool]string{true: "B", false: "A"}[half[0] == 'A'], 1)
	for name, text := range map[string]string{
		"two words":     "s HS256",
		"unknown alg":   "s RS256 c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0",
		"none":          "s none c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0",
		"no base64":     "s HS256 s3cret!s3cret!s3cret!s3cret!s3cret!s3cret!",
		"short secret":  "s HS256 " + b64(secret[:31]),
		"odd length":    "e EdDSA " + b64(secret[:31]),
		"halves":        "e EdDSA " + flipped,
		"id not ASCII":  "ß HS256 " + b64(secret),
		"long id":       strings.Repeat("a", 65) + " HS256 " + b64(secret),
		"id twice":      secretLine + "s HS256 " + b64([]byte(strings.Repeat("x", 32))),
		"key twice":     secretLine + "t HS256 " + b64(secret),
		"public secret": public + "\nt HS256 " + strings.Fields(public)[2],
		"too many":      many(),
	} {
		if keys, err := ParseKeys(text); err == nil || !strings.HasPrefix(err.Error(), "line ") || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), b64(secret)[:8]) {
			t.Errorf("%s: %d keys, %v", name, len(keys), err)
		}
	}
	if _, err := ParseKeys("# nothing\n"); err == nil {
		t.Error("no key is none too few")
	}
}

// many is one key too many.
func many() string {
	var b strings.Builder
	for i := range maxKeys + 1 {
		fmt.Fprintf(&b, "k%d HS256 %s\n", i, base64.StdEncoding.EncodeToString(append([]byte(fmt.Sprintf("%02d", i)), secret...)))
	}
	return b.String()
}

// Nobody without a key gets anything out of a token, whatever its bytes; nothing of it is
// in an error.
func FuzzVerify(f *testing.F) {
	a, _, _ := authority(f)
	good := hs(f, fmt.Sprintf(`{"key":"k","exp":%d}`, now.Add(time.Hour).Unix()))
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add("")
	f.Add("..")
	f.Add("e30.e30.e30")
	f.Add(forge(good, `{"key":"other","exp":1e300}`))
	f.Add(signed(f, `{"alg":"none","kid":"s"}`, `{"key":"k"}`, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType))
	f.Add(signed(f, `{"alg":"EdDSA","kid":"e"}`, `{"key":"k"}`, jwt.SigningMethodHS256, secret))
	f.Add(signed(f, `{"alg":"HS256","kid":"e"}`, `{"key":[[]]}`, jwt.SigningMethodHS256, []byte("x")))
	f.Fuzz(func(t *testing.T, token string) {
		g, err := a.Verify(token, now)
		if err == nil && token != good {
			t.Errorf("%q is valid: %+v", token, g)
		}
		if _, ok := err.(*push.Error); err != nil && !ok {
			t.Errorf("an error without a kind: %v", err)
		}
	})
}

// Claims of any shape, signed as they should be, are taken or refused, and what is taken is
// within its bounds.
func FuzzClaims(f *testing.F) {
	a, _, _ := authority(f)
	for _, seed := range []string{
		`{"key":"k","exp":1800003600}`, `{"key":["a","b"],"exp":1800003600.5,"public":false}`, `{"key":"k","exp":1e300}`, `[]`, `null`,
		`{"key":{"a":1},"exp":1}`, `{"key":"k","nbf":"x"}`, `{"KEY":"k","EXP":1800003600}`, `{"key":"\ud800","exp":1800003600}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, claims string) {
		g, err := a.Verify(hs(t, claims), now)
		if err != nil {
			return
		}
		if !json.Valid([]byte(claims)) || len(g.Keys) == 0 || len(g.Keys) > MaxGranted || !g.Expires.After(now) || g.Expires.After(now.Add(a.cfg.MaxLife+leeway)) {
			t.Errorf("%s: %+v", claims, g)
		}
		for _, k := range g.Keys {
			if _, err := push.ParseKey(string(k)); err != nil {
				t.Errorf("%s: %v", claims, err)
			}
		}
	})
}
