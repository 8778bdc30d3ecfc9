package arch

import (
	"fmt"
	"slices"
	"strings"
)

// Layer says which packages of this module a package may import.
type Layer struct {
	Imports []string
	// Tests adds what its test files may import besides; the package itself is
	// always among them.
	Tests []string
}

// vocabulary is what any package above it may use.
var vocabulary = []string{"internal/push", "internal/ring", "internal/id"}

// roles are the packages that only an assembly of the whole may import.
var roles = []string{
	"comet", "message", "message/embedded", "hbase", "web", "internal/coord", "internal/coord/local", "internal/coord/zk", "internal/rpc",
}

// Layers is the direction of imports: a package that is not here may not exist,
// so whoever adds one decides where it stands. comet, message and web never
// import each other; they meet in internal/rpc.
var Layers = map[string]Layer{
	"internal/push": {},
	"internal/kept": {}, // for tests
	"internal/ring": {},
	// The judge of tests over HTTP; it stands by itself.
	"internal/apitest": {},
	// Certificates for tests to use.
	"internal/cert/certtest": {},
	"internal/cert":          {Tests: []string{"internal/cert/certtest"}},
	"internal/id":            {Imports: []string{"internal/push"}},
	"internal/quota":         {},
	"comet/wire":             {Imports: []string{"internal/push"}},

	"internal/coord":       {Imports: vocabulary},
	"internal/coord/held":  {Imports: plus(vocabulary, "internal/coord")},
	"internal/coord/local": {Imports: plus(vocabulary, "internal/coord", "internal/coord/held"), Tests: []string{"internal/kept"}},
	"internal/coord/zk":    {Imports: plus(vocabulary, "internal/coord", "internal/coord/held"), Tests: []string{"internal/coord/zk/zktest", "internal/kept"}},
	// Test code for others to run; it stands by itself.
	"internal/coord/zk/zktest": {Imports: []string{"hbase/hbasetest"}},
	"internal/trace":           {Imports: []string{"internal/push"}, Tests: []string{"internal/trace/tracetest"}},
	"internal/trace/otlp":      {Imports: []string{"internal/trace"}, Tests: []string{"internal/trace/tracetest"}},
	"internal/trace/tracetest": {Imports: []string{"internal/trace"}},
	"internal/rpc/pb":          {},
	"internal/rpc":             {Imports: plus(vocabulary, "internal/coord", "internal/rpc/pb", "internal/trace"), Tests: []string{"internal/cert", "internal/cert/certtest", "internal/coord/local", "internal/kept", "internal/trace/tracetest"}},
	"internal/config":          {Imports: []string{"internal/push"}},
	"internal/daemon":          {},
	// What it makes and checks is handed to the roles.
	"internal/token": {Imports: []string{"internal/push"}},

	"message":           {Imports: plus(vocabulary, "internal/coord", "internal/rpc", "internal/trace"), Tests: []string{"message/embedded", "message/storetest"}},
	"message/embedded":  {Imports: plus(vocabulary, "message"), Tests: []string{"message/storetest"}},
	"message/storetest": {Imports: plus(vocabulary, "message", "internal/kept"), Tests: []string{"message/embedded"}},

	"hbase/hbasetest":            {},
	"hbase/hbasetest/localhbase": {Imports: []string{"hbase/hbasetest"}},
	"hbase/hbasetest/with":       {Imports: []string{"hbase/hbasetest"}},

	"comet":        {Imports: plus(vocabulary, "comet/wire", "internal/coord", "internal/quota", "internal/rpc", "internal/trace"), Tests: []string{"comet/client", "internal/apitest", "internal/cert", "internal/cert/certtest", "internal/coord/local"}},
	"comet/client": {Imports: plus(vocabulary, "comet/wire")},

	"web/console": {},
	// web speaks client protocol v1 too, hence the bytes of it.
	"web": {Imports: plus(vocabulary, "comet/wire", "internal/coord", "internal/quota", "internal/rpc", "internal/trace", "web/console"), Tests: []string{"internal/apitest", "internal/cert", "internal/cert/certtest", "internal/coord/local", "internal/token"}},

	"hbase":      {Imports: plus(vocabulary, "internal/trace", "message"), Tests: []string{"message/storetest", "hbase/hbasetest", "internal/rpc", "internal/trace/tracetest"}},
	"migrations": {Imports: plus(vocabulary, "hbase"), Tests: []string{"hbase/hbasetest"}},

	// It knows of the cluster what any client knows.
	"internal/bench": {Imports: []string{"internal/push", "comet/client", "internal/daemon"}},

	"internal/oldredis": {Imports: vocabulary, Tests: []string{"internal/oldredis/redistest", "message/embedded"}},
	// Test code for others to run; it stands by itself.
	"internal/oldredis/redistest": {},

	"internal/doctor": {Imports: plus(vocabulary, "hbase", "internal/cert", "internal/coord/zk"), Tests: []string{"internal/cert/certtest"}},

	"internal/serve":   {Imports: plus(vocabulary, plus(roles, "internal/cert", "internal/config", "internal/daemon", "internal/quota", "internal/token", "internal/trace", "internal/trace/otlp")...), Tests: []string{"comet/client", "comet/wire", "internal/cert/certtest", "internal/coord/zk/zktest", "internal/trace/tracetest"}},
	"internal/e2e":     {Imports: plus(vocabulary, plus(roles, "hbase", "hbase/hbasetest", "internal/coord/zk/zktest", "migrations", "comet/client", "comet/wire", "internal/config", "internal/daemon", "internal/oldredis", "internal/oldredis/redistest", "internal/serve")...), Tests: []string{"internal/apitest", "internal/cert/certtest", "internal/pages", "internal/trace/tracetest"}},
	"internal/command": {Imports: []string{"internal/config", "internal/daemon", "internal/serve"}, Tests: []string{"internal/cert/certtest", "internal/coord/zk/zktest"}},
	"cmd/comet":        {Imports: []string{"internal/command", "internal/serve"}},
	"cmd/message":      {Imports: []string{"internal/command", "internal/serve"}},
	"cmd/web":          {Imports: []string{"internal/command", "internal/serve"}},
	"cmd/gopush":       {Imports: []string{"comet/client", "hbase", "internal/bench", "internal/cert", "internal/command", "internal/config", "internal/daemon", "internal/doctor", "internal/push", "internal/oldredis", "internal/serve", "internal/token", "migrations"}, Tests: []string{"hbase/hbasetest", "internal/oldredis/redistest", "internal/cert/certtest", "internal/pages"}},

	// Only tests: what they hold together is the whole.
	"docker/promtest": {Tests: []string{"internal/cert/certtest", "docker/grafana", "hbase", "internal/config", "internal/e2e", "internal/serve", "message"}},
	// What it runs are containers; of this module it needs the load and the proof.
	"docker/composetest": {Imports: []string{"docker/grafana", "internal/e2e"}},
	"docker/grafana":     {},

	// Arithmetic for a page of docs.
	"internal/scale": {},
	// Reads the pages of docs; what they say of settings and packages is held to the code.
	"internal/pages": {Tests: []string{"internal/config"}},

	"internal/arch":          {},
	"internal/arch/testgate": {},
}

func plus(base []string, more ...string) []string { return slices.Concat(base, more) }

// Direction reports every import inside the module that layers does not allow,
// and every package that has no layer.
func Direction(pkgs []Package, layers map[string]Layer) []string {
	var bad []string
	for _, p := range pkgs {
		layer, known := layers[p.Path]
		if !known {
			bad = append(bad, p.Path+" has no layer: say in arch.Layers what it may import")
			continue
		}
		bad = append(bad, wrong(p.Path, "imports", p.Imports, layer.Imports)...)
		tests := slices.Concat(layer.Imports, layer.Tests, []string{p.Path})
		bad = append(bad, wrong(p.Path, "imports in its tests", p.TestImports, tests)...)
	}
	return bad
}

func wrong(from, verb string, imports, allowed []string) []string {
	var bad []string
	for _, path := range imports {
		to, ours := strings.CutPrefix(path, Module)
		if ours && !slices.Contains(allowed, to) {
			bad = append(bad, fmt.Sprintf("%s %s %s: not an allowed direction", from, verb, to))
		}
	}
	return bad
}
