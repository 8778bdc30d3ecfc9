package oldredis

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"

	"gopush/internal/push"
)

// checkpoint is how far an import has come: up to there it need not look again. It
// saves time only; what was imported is found in the store.
type checkpoint struct {
	Format int    `json:"format"`
	Of     origin `json:"of"`
	Server int    `json:"server"` // the index of the one under way
	Cursor uint64 `json:"cursor"` // of its SCAN
	Report Report `json:"report"` // up to there
	// Of an export: the last key that is done, and what was done up to there.
	Key      push.Key `json:"key,omitempty"`
	Exported Exported `json:"exported,omitzero"`
}

// origin is what is imported, and where to: another one has another checkpoint.
type origin struct {
	Servers  []string `json:"servers"`
	Database int      `json:"database"`
	Prefix   string   `json:"prefix"`
	Match    string   `json:"match"`
	Target   string   `json:"target"`
	DryRun   bool     `json:"dry_run"`
	Ring     []string `json:"ring,omitempty"`
	Groups   []string `json:"groups,omitempty"`
	Export   bool     `json:"export,omitempty"`
}

const checkpointFormat = 1

// loadCheckpoint begins anew where there is no file.
func loadCheckpoint(path string, of origin) (*checkpoint, error) {
	fresh := &checkpoint{Format: checkpointFormat, Of: of}
	if path == "" {
		return fresh, nil
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return fresh, nil
	}
	if err != nil {
		return nil, err
	}
	var c checkpoint
	if err := json.Unmarshal(b, &c); err != nil || c.Format != checkpointFormat || !reflect.DeepEqual(c.Of, of) {
		return nil, push.E(push.KindConflict, "the checkpoint %s is of something else; finish that, remove the file, or name another with --checkpoint", path)
	}
	return &c, nil
}

// save replaces the file as a whole.
func (c *checkpoint) save(path string) error {
	if path == "" {
		return nil
	}
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		return fmt.Errorf("the checkpoint: %w", err)
	}
	return os.Rename(path+".new", path)
}

// done removes the file: the next import looks at everything again.
func (c *checkpoint) done(path string) error {
	if err := os.Remove(path); path != "" && err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
