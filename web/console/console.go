package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

// Path is where the page lives. It must be served under this path, as its parts
// name each other relative to it.
const Path = "/console/"

// What the page asks for from its own origin, behind the admin token, with ?key=K. The package
// does not serve it.
const (
	// NodePath is for the node of a key: the reply of /v2/node, which says besides whether
	// the phone needs a token.
	NodePath = Path + "node"
	// KeyPath is for what is known of a key: the reply of /v2/keys/K. A browser cannot ask
	// that for the keys "." and "..", which it takes for steps of the path, escaped or not.
	KeyPath = Path + "key"
)

// Asks reports whether a path is one of those that the page asks for.
func Asks(path string) bool { return path == NodePath || path == KeyPath }

//go:embed page
var page embed.FS

// contentType of a file of the page; another kind of file is a mistake.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	default:
		return ""
	}
}

// Config says what the page may talk to.
type Config struct {
	// Nodes gives the origins (ws://host:port or wss://host:port) of the comet nodes, to
	// which the page opens websockets. It is called for each reply and must not block;
	// nil: none.
	Nodes func() []string
}

// Console serves the page. It may be used concurrently.
type Console struct {
	nodes func() []string  // immutable
	files map[string]asset // immutable; by their path in the page, "" is the page itself
}

// asset is one file, ready to be served.
type asset struct {
	body        []byte
	contentType string
	etag        string
}

// New reads the embedded files. It fails only if one of them has a type that
// is not known here.
func New(cfg Config) (*Console, error) {
	c := &Console{nodes: cfg.Nodes, files: make(map[string]asset)}
	if c.nodes == nil {
		c.nodes = func() []string { return nil }
	}
	err := fs.WalkDir(page, "page", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := page.ReadFile(name)
		if err != nil {
			return err
		}
		return c.add(strings.TrimPrefix(name, "page/"), body)
	})
	if err != nil {
		return nil, fmt.Errorf("console: %w", err)
	}
	c.files[""] = c.files["index.html"]
	return c, nil
}

// add makes an asset of one file.
func (c *Console) add(name string, body []byte) error {
	kind := contentType(name)
	if kind == "" {
		return fmt.Errorf("%s has no type that the page may have", name)
	}
	sum := sha256.Sum256(body)
	c.files[name] = asset{body, kind, `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
	return nil
}

// ServeHTTP answers GET and HEAD below Path, and /console itself with a
// redirect to it. There are no listings: what is not a file is not found.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	c.protect(h)
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.Set("Allow", "GET, HEAD")
		http.Error(w, "the console is read with GET; the admin API lives below /v2/", http.StatusMethodNotAllowed)
		return
	}
	name, below := strings.CutPrefix(r.URL.Path, Path)
	file, ok := c.files[name]
	switch {
	case r.URL.Path == strings.TrimSuffix(Path, "/"):
		// Relative, so that it holds behind a proxy too; browsers keep the fragment.
		h.Set("Location", path.Base(Path)+"/")
		w.WriteHeader(http.StatusPermanentRedirect)
	case !below || !ok:
		http.Error(w, "the console has no such file; it begins at "+Path, http.StatusNotFound)
	default:
		file.serve(w, r)
	}
}

// serve writes the file. Browsers keep it but ask each time whether it still
// holds, so that all parts of the page are of one version after an upgrade.
func (a asset) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", a.contentType)
	h.Set("Cache-Control", "no-cache")
	h.Set("ETag", a.etag)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(a.body))
}
