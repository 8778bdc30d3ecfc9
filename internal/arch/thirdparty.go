package arch

import (
	"fmt"
	"slices"
	"strings"
)

// Use says who may import a third-party module.
type Use struct {
	By    []string // packages; "*" is every package
	Tests []string // packages whose tests may too; "*" is every package
}

var everywhere = []string{"*"}

// ThirdParty is the list of modules that this one is built from, by prefix of
// the import path. What is not here is not used: a new dependency is a
// decision, and this is where it is written down.
var ThirdParty = map[string]Use{
	"github.com/gorilla/websocket":  {By: []string{"comet", "comet/client"}, Tests: []string{"internal/e2e"}},
	"github.com/go-zookeeper/zk":    {By: []string{"internal/coord/zk", "hbase/hbasetest"}},
	"github.com/cockroachdb/pebble": {By: []string{"message/embedded"}, Tests: []string{"internal/e2e"}},
	"github.com/tsuna/gohbase":      {By: []string{"hbase", "hbase/hbasetest"}},
	"github.com/sirupsen/logrus":    {By: []string{"hbase"}}, // gohbase's logger
	"github.com/redis/go-redis":     {By: []string{"internal/oldredis"}, Tests: []string{"cmd/gopush", "internal/e2e"}},
	"google.golang.org/grpc":        {By: []string{"internal/rpc", "internal/rpc/pb", "internal/serve"}},
	"google.golang.org/protobuf":    {By: []string{"hbase", "hbase/hbasetest", "internal/rpc", "internal/rpc/pb", "internal/trace/tracetest"}},
	"google.golang.org/genproto":    {By: []string{"internal/rpc"}},
	"github.com/HdrHistogram":       {By: []string{"internal/bench"}},
	"github.com/golang-jwt/jwt":     {By: []string{"internal/token"}},
	"github.com/alecthomas/kong":    {By: []string{"cmd/gopush", "internal/command"}},
	"github.com/goccy/go-yaml":      {By: []string{"internal/config"}, Tests: []string{"web", "docker/promtest"}},
	"github.com/getkin/kin-openapi": {By: []string{"internal/apitest"}, Tests: []string{"comet", "internal/e2e", "web"}},
	"github.com/prometheus":         {By: []string{"comet", "message", "message/embedded", "hbase", "web", "internal/cert", "internal/rpc", "internal/daemon", "internal/serve", "internal/trace/otlp"}, Tests: []string{"docker/promtest"}},
	// Who begins spans goes through internal/trace.
	"go.opentelemetry.io/otel":  {By: []string{"internal/trace", "internal/trace/otlp", "internal/trace/tracetest"}},
	"go.opentelemetry.io/proto": {By: []string{"internal/trace/tracetest"}},
	"golang.org/x/sync":         {By: everywhere},
	"golang.org/x/sys":          {By: []string{"cmd/gopush"}}, // the terminal
	"golang.org/x/time":         {By: []string{"internal/quota"}},
	"github.com/google/go-cmp":  {Tests: everywhere},
	"go.uber.org/goleak":        {Tests: everywhere},
	"pgregory.net/rapid":        {Tests: everywhere},
}

// Foreign reports every third-party import that uses does not allow.
func Foreign(pkgs []Package, uses map[string]Use) []string {
	var bad []string
	for _, p := range pkgs {
		for _, path := range p.Imports {
			bad = append(bad, foreign(p.Path, path, uses, false)...)
		}
		for _, path := range p.TestImports {
			bad = append(bad, foreign(p.Path, path, uses, true)...)
		}
	}
	return bad
}

func foreign(from, path string, uses map[string]Use, test bool) []string {
	if standard(path) || strings.HasPrefix(path, Module) {
		return nil
	}
	for prefix, use := range uses {
		if path != prefix && !strings.HasPrefix(path, prefix+"/") {
			continue
		}
		if has(use.By, from) || test && has(use.Tests, from) {
			return nil
		}
		return []string{fmt.Sprintf("%s imports %s: only %s may", from, path, only(use))}
	}
	return []string{fmt.Sprintf("%s imports %s: not in arch.ThirdParty", from, path)}
}

func has(list []string, pkg string) bool {
	return slices.Contains(list, "*") || slices.Contains(list, pkg)
}

// standard reports whether the path is of the standard library: those have no
// dot in their first element.
func standard(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return !strings.Contains(first, ".")
}

func only(use Use) string {
	names := slices.Clone(use.By)
	for _, t := range use.Tests {
		if t == "*" {
			t = "any package"
		}
		names = append(names, "tests of "+t)
	}
	return strings.Join(names, ", ")
}
