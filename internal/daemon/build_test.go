package daemon

import (
	"runtime/debug"
	"testing"
)

func TestBuild(t *testing.T) {
	commit := []debug.BuildSetting{{Key: "vcs.revision", Value: "0123456789abcdef"}, {Key: "vcs.modified", Value: "true"}}
	for _, tt := range []struct {
		version     string
		settings    []debug.BuildSetting
		long, short string
	}{
		{"v1.2.3", commit, "gopush v1.2.3, commit 0123456789abcdef with changes, go1.26.0", "v1.2.3"},
		{"(devel)", commit, "gopush development, commit 0123456789abcdef with changes, go1.26.0", "development-0123456789ab+dirty"},
		{"(devel)", commit[:1], "gopush development, commit 0123456789abcdef, go1.26.0", "development-0123456789ab"},
		{"", nil, "gopush development, go1.26.0", "development"},
	} {
		b := BuildOf(&debug.BuildInfo{GoVersion: "go1.26.0", Main: debug.Module{Version: tt.version}, Settings: tt.settings})
		if b.String() != tt.long || b.Short() != tt.short {
			t.Errorf("%q: %q, in short %q", tt.version, b, b.Short())
		}
	}
	if b := ThisBuild(); b.Version == "" || b.Go == "" {
		t.Errorf("this test is of %+v", b)
	}
}
