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

// checkpoint is how far an import has come: the next one begins there, and looks at what
// lies before in the end. It saves time only; what was imported is found in the store.
type checkpoint struct {
	Format int    `json:"format"`
	Of     origin `json:"of"`
	Server int    `json:"server"` // the index of the one under way
	Run    string `json:"run"`    // of that Redis process: its cursors mean nothing to another one
	Cursor uint64 `json:"cursor"` // of its SCAN
	Report Report `json:"report"` // up to there
	Begun  Report `json:"begun"`  // up to the server
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

// loadCheckpoint begins anew where there is no file; found says that there is one.
func loadCheckpoint(path string, of origin) (c *checkpoint, found bool, err error) {
	c = &checkpoint{Format: checkpointFormat, Of: of}
	if path == "" {
		return c, false, nil
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	c = new(checkpoint)
	if err := json.Unmarshal(b, c); err != nil || c.Format != checkpointFormat || !reflect.DeepEqual(c.Of, of) {
		return nil, false, push.E(push.KindConflict, "the checkpoint %s is of something else; finish that, remove the file, or name another with --checkpoint", path)
	}
	return c, true, nil
}

// again is the checkpoint of another pass over everything.
func (c *checkpoint) again() *checkpoint {
	return &checkpoint{
		Format: checkpointFormat, Of: c.Of,
		Report:   Report{Before: c.Report.Before + c.Report.Imported},
		Begun:    Report{Before: c.Report.Before + c.Report.Imported},
		Exported: Exported{Before: c.Exported.Before + c.Exported.Exported},
	}
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
