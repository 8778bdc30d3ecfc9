package arch

import (
	"maps"
	"slices"
	"testing"
)

func TestDirectionFindsViolations(t *testing.T) {
	layers := map[string]Layer{
		"low":  {},
		"high": {Imports: []string{"low"}, Tests: []string{"side"}},
		"side": {Imports: []string{"low"}},
	}
	tests := map[string]struct {
		pkg  Package
		want []string
	}{
		"allowed":            {Package{Path: "high", Imports: []string{"fmt", "gopush/low", "example.org/x"}}, nil},
		"upwards":            {Package{Path: "low", Imports: []string{"gopush/high"}}, []string{"low imports high"}},
		"sideways":           {Package{Path: "high", Imports: []string{"gopush/side"}}, []string{"high imports side"}},
		"allowed in tests":   {Package{Path: "high", TestImports: []string{"gopush/side", "gopush/high", "gopush/low"}}, nil},
		"sideways in a test": {Package{Path: "side", TestImports: []string{"gopush/high"}}, []string{"side imports in its tests high"}},
		"unknown package":    {Package{Path: "new"}, []string{"new has no layer"}},
		"subpackage of one":  {Package{Path: "low/er"}, []string{"low/er has no layer"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { planted(t, Direction([]Package{tt.pkg}, layers), tt.want...) })
	}
}

func TestDirection(t *testing.T) { none(t, Direction(packages(t), Layers)) }

// The roles meet in internal/rpc only, whatever else the table may come to say.
// comet/wire is no part of a role: it is bytes alone, below all of them.
func TestRolesNeverImportEachOther(t *testing.T) {
	trees := map[string][]string{
		"comet":   {"comet", "comet/client"},
		"message": {"message", "message/embedded", "message/storetest"},
		"web":     {"web"},
	}
	for role, members := range trees {
		for other, strangers := range trees {
			for _, pkg := range members {
				for _, imp := range Layers[pkg].Imports {
					if role != other && slices.Contains(strangers, imp) {
						t.Errorf("%s may import %s", pkg, imp)
					}
				}
			}
		}
	}
}

// An edge to a package that the table does not know, or a cycle, would be a
// mistake in the table itself.
func TestLayersDescend(t *testing.T) {
	var visit func(pkg string, above []string)
	visit = func(pkg string, above []string) {
		if slices.Contains(above, pkg) {
			t.Fatalf("a cycle: %v", append(above, pkg))
		}
		layer, known := Layers[pkg]
		if !known {
			t.Errorf("%v may import %s, which has no layer", above, pkg)
		}
		for _, imp := range layer.Imports {
			visit(imp, append(slices.Clone(above), pkg))
		}
	}
	for _, pkg := range slices.Sorted(maps.Keys(Layers)) {
		visit(pkg, nil)
	}
}

// A line for a package that is gone would let it come back unseen.
func TestLayersExist(t *testing.T) {
	there := make(map[string]bool)
	for _, p := range packages(t) {
		there[p.Path] = true
	}
	for pkg := range Layers {
		if !there[pkg] {
			t.Errorf("arch.Layers has a line for %s, which does not exist", pkg)
		}
	}
}
