package config

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestReload: of every setting, a change is either taken over or named as one that needs
// a restart, and then the old value holds.
//
// Broken once by taking over what needs a restart.
func TestReload(t *testing.T) {
	probe := Default()
	for i, f := range probe.fields() {
		next := Default()
		another(t, next.fields()[i])
		now, changed, restart := Default().Reload(next)
		want, wantChanged, wantRestart := Default(), []string(nil), []string{f.path}
		if slices.Contains(Reloadable(), f.path) {
			want, wantChanged, wantRestart = next, wantRestart, nil
		}
		if !slices.Equal(changed, wantChanged) || !slices.Equal(restart, wantRestart) {
			t.Errorf("%s: %v were changed, %v need a restart", f.path, changed, restart)
		}
		if diff := cmp.Diff(want, now); diff != "" {
			t.Errorf("%s: %s", f.path, diff)
		}
	}
	if now, changed, restart := Default().Reload(Default()); changed != nil || restart != nil || cmp.Diff(Default(), now) != "" {
		t.Errorf("nothing was changed, yet: %v %v", changed, restart)
	}
}
