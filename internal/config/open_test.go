package config

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// exposure is what has to be said so that one listener may be reached by other machines.
type exposure struct {
	secure []string // settings that protect it; nil: nothing does
	told   string   // the setting that says it is meant so
	even   string   // a setting that may not go with it, whatever else is said
}

var tokensRequired = []string{"tokens.required=true", "tokens.keys_file=a"}

// exposures are all listeners.
var exposures = map[string]exposure{
	"comet.http":  {secure: tokensRequired, told: "insecure_public=true"},
	"comet.tcp":   {secure: tokensRequired, told: "insecure_public=true"},
	"web.public":  {secure: tokensRequired, told: "insecure_public=true"},
	"web.admin":   {secure: []string{"web.tls_cert=a", "web.tls_key=b"}, told: "web.insecure_admin=true", even: "dev=true"},
	"comet.rpc":   {secure: []string{"rpc.tls_cert=a", "rpc.tls_key=b", "rpc.tls_ca=c"}, told: "insecure_rpc=true"},
	"message.rpc": {secure: []string{"rpc.tls_cert=a", "rpc.tls_key=b", "rpc.tls_ca=c"}, told: "insecure_rpc=true"},
	"ops":         {told: "insecure_ops=true"},
}

// TestOpenListeners: every listener with every address that it may be bound to, and every
// setting that has to do with it. One that asks nobody who they are, or whose secrets would be
// read on the way, is refused beyond this machine unless a setting says that it is meant so.
//
// Broken once for each of ops, the admin API, the public listeners, dev and the roles, by leaving its check out.
func TestOpenListeners(t *testing.T) {
	var listeners []string
	for _, f := range new(Serve).fields() {
		if takes(f.path, "[::1]:0") && !takes(f.path, "a") {
			listeners = append(listeners, f.path)
		}
	}
	if want := slices.Sorted(maps.Keys(exposures)); !slices.Equal(slices.Sorted(slices.Values(listeners)), want) {
		t.Fatalf("the listeners are %v, the table has %v", listeners, want)
	}
	for path, e := range exposures {
		for _, host := range []string{"127.0.0.1", "127.9.9.9", "localhost", "[::1]", "[::ffff:127.0.0.1]"} {
			refuses(t, path, host, false)
			if e.secure != nil {
				refuses(t, path, host, false, e.secure...)
			}
		}
		for _, host := range []string{"10.0.0.1", "203.0.113.7", "0.0.0.0", "", "[::]", "[2001:db8::1]", "[fe80::1%eth0]", "push.example"} {
			refuses(t, path, host, true)
			refuses(t, path, host, false, e.told)
			if e.secure != nil {
				refuses(t, path, host, false, e.secure...)
			}
			if e.even != "" {
				refuses(t, path, host, true, e.even)
				refuses(t, path, host, true, e.even, e.told)
				refuses(t, path, host, true, append(e.secure, e.even)...)
			}
			for other, o := range exposures {
				if o.told != e.told {
					t.Run(other, func(t *testing.T) { refuses(t, path, host, true, o.told) })
				}
			}
		}
	}
	// TLS there keeps nobody out, so it is not enough.
	refuses(t, "ops", "10.0.0.1", true, "ops_tls_cert=a", "ops_tls_key=b")
}

// takes reports whether a setting may have that value.
func takes(path, text string) bool {
	s := Default()
	return s.Set(path, text) == nil && !slices.ContainsFunc(s.fields(), func(f field) bool { return f.path == path && f.value.check() != nil })
}

// refuses compares whether a listener at the host is refused, with the settings.
func refuses(t *testing.T, path, host string, want bool, settings ...string) {
	t.Helper()
	s := Default()
	// So that what others are told is in nobody's way.
	for _, text := range append(settings, path+"="+host+":6000", "comet.advertise_http=c:1", "comet.advertise_tcp=c:2", "comet.advertise_rpc=c:3", "message.advertise_rpc=m:4") {
		name, value, _ := strings.Cut(text, "=")
		if err := s.Set(name, value); err != nil {
			t.Fatal(err)
		}
	}
	err := s.Validate()
	if (err != nil) != want {
		t.Errorf("%s at %q with %v: %v, want refused %v", path, host, settings, err, want)
	}
	if told := exposures[path].told; err != nil && len(settings) == 0 && !strings.Contains(err.Error(), strings.Replace(told, "=", ": ", 1)) {
		t.Errorf("%s at %q: the error does not name %s: %v", path, host, told, err)
	}
}
