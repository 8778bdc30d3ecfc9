package e2e

import "testing"

// edits are made in copies that one build takes instead of the sources, together with
// the files in testdata/broken, which define what the new lines call. So the product
// itself holds no switch, and no other build has one. Each edit breaks something in a
// process that is told to:
//
//	fencing  a comet ignores lease, ceiling and end of its term; message nodes store
//	         what writers of any epoch send
//	answer   a comet acknowledges and delivers before the store has answered
//	writes   a key's next write does not wait for the one in flight
//	ids      ids come from the clock alone; message nodes store them in any order
var edits = []edit{
	{"comet/node.go", "newService(term,", "newService(taken(term),"},
	{"comet/sequencer.go", "\tn.deps.Messages.Save(ctx, b.write,", "\tif n.early(b) {\n\t\tcancel()\n\t\treturn\n\t}\n\tn.deps.Messages.Save(ctx, b.write,"},
	{"comet/operation.go", "start = !ch.busy", `start = !ch.busy || broken("writes")`},
	{"message/fence.go", "fence.Epoch < known {", "fence.Epoch < known && !trusting() {"},
	{"message/save.go", "if newest < first {", "if newest < first || trusting() {"},
}

// buildBroken builds this package's test binary from the edited sources.
func buildBroken(t *testing.T) string {
	t.Helper()
	return variant{dir: "broken", edits: edits, packages: []string{"comet", "message"}}.build(t)
}
