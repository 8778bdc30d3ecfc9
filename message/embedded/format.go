package embedded

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// FormatVersion names the format of the stores that this program makes and reads.
const FormatVersion = formatVersion

// Format reads in which format the store of a folder was written, and which one
// this program reads. found is "" when there is no store yet. The folder is not
// changed, and must not be in use.
func Format(dir string) (found, wanted string, err error) {
	desc, err := pebble.Peek(dir, vfs.Default)
	if errors.Is(err, os.ErrNotExist) || err == nil && !desc.Exists {
		return "", formatVersion, nil
	}
	if err != nil {
		return "", formatVersion, fmt.Errorf("embedded: %s: %w", dir, err)
	}
	cfg := Config{Dir: dir}
	if err := cfg.validate(); err != nil {
		return "", formatVersion, err
	}
	found, err = readFormat(cfg)
	return found, formatVersion, err
}

// readFormat opens the store for reading alone.
func readFormat(cfg Config) (found string, err error) {
	log := slog.New(slog.DiscardHandler) // what is wrong with it is in the error
	db, err := openWith(cfg, vfs.Default, log, func(o *pebble.Options) { o.ReadOnly = true })
	if err != nil {
		return "", fmt.Errorf("embedded: %s: %w", cfg.Dir, err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	value, closer, err := db.Get([]byte{tableVersion})
	if errors.Is(err, pebble.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("embedded: the version in %s cannot be read: %w", cfg.Dir, err)
	}
	found = string(value)
	return found, closer.Close()
}
