package daemon

import "runtime/debug"

// Build is what the toolchain wrote into the binary.
type Build struct {
	Version string `json:"version"` // of a release, or "development"
	Commit  string `json:"commit,omitempty"`
	Dirty   bool   `json:"dirty,omitempty"` // the sources differed from the commit
	Go      string `json:"go"`
}

// ThisBuild is that of the program that runs.
func ThisBuild() Build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = new(debug.BuildInfo)
	}
	return BuildOf(info)
}

// BuildOf picks what tells builds apart. A build outside of a release has no
// version, only a commit.
func BuildOf(info *debug.BuildInfo) Build {
	b := Build{Version: info.Main.Version, Go: info.GoVersion}
	if b.Version == "" || b.Version == "(devel)" {
		b.Version = "development"
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.modified":
			b.Dirty = s.Value == "true"
		}
	}
	return b
}

// String is for a person who looks at one build.
func (b Build) String() string {
	text := "gopush " + b.Version
	if b.Commit != "" {
		text += ", commit " + b.Commit
	}
	if b.Dirty {
		text += " with changes"
	}
	return text + ", " + b.Go
}

// Short is for a list of nodes: one word, which differs where builds do. The version
// of a build from a repository names its commit already.
func (b Build) Short() string {
	text := b.Version
	if text == "development" && b.Commit != "" {
		text += "-" + b.Commit[:min(len(b.Commit), 12)]
		if b.Dirty {
			text += "+dirty"
		}
	}
	return text
}
