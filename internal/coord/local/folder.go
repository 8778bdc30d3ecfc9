package local

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// folder is the directory with the durable states. Its methods are called by
// one goroutine at a time.
type folder string

const (
	groupsFile  = "groups"
	stateSuffix = ".ids"
	tempSuffix  = ".tmp"
	// A real state file has about a hundred bytes.
	maxFileBytes = 64 << 10
)

// load reads every state. fresh says that no message can exist yet: only then
// may the folder be without its list of groups.
func (f folder) load(fresh bool) (map[string]state, error) {
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return nil, fmt.Errorf("coordination folder: %w", err)
	}
	groups, err := f.readGroups()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f.begin(fresh)
	case err != nil:
		return nil, f.damaged(groupsFile, err)
	}
	found, err := f.stateFiles()
	if err != nil {
		return nil, err
	}
	all := slices.Compact(slices.Sorted(slices.Values(slices.Concat(groups, found))))
	states := make(map[string]state, len(all))
	for _, g := range all {
		if states[g], err = f.readState(g); err != nil {
			return nil, f.damaged(g+stateSuffix, err)
		}
	}
	if len(all) > len(groups) {
		// A crash came between the writing of a state and that of the list.
		return states, f.replace(groupsFile, encodeGroups(all))
	}
	return states, nil
}

// begin makes the list of groups in a folder that has none.
func (f folder) begin(fresh bool) (map[string]state, error) {
	found, err := f.stateFiles()
	if err != nil {
		return nil, err
	}
	if !fresh || len(found) > 0 {
		return nil, f.damaged(groupsFile, errors.New("it is missing, though messages may have been stored"))
	}
	if err := f.replace(groupsFile, encodeGroups(nil)); err != nil {
		return nil, err
	}
	// The folder itself is new, and must not be lost with the power either.
	if err := syncDir(filepath.Dir(string(f))); err != nil {
		return nil, fmt.Errorf("coordination folder: %w", err)
	}
	return map[string]state{}, nil
}

// damaged says what to do about a file that cannot be trusted. Going on without
// it could give an id twice.
func (f folder) damaged(name string, err error) error {
	return fmt.Errorf("coordination state %s: %w; it says how far message ids went, and without it ids could be used twice: "+
		"restore %s from the same backup as the messages, or, if the messages may go, move the whole data folder away",
		filepath.Join(string(f), name), err, f)
}

func (f folder) readGroups() ([]string, error) {
	b, err := f.read(groupsFile)
	if err != nil {
		return nil, err
	}
	return decodeGroups(b)
}

func (f folder) readState(group string) (state, error) {
	b, err := f.read(group + stateSuffix)
	if err != nil {
		return state{}, err
	}
	s, err := decodeState(b)
	if err == nil && s.group != group {
		err = fmt.Errorf("it is the state of the group %q", s.group)
	}
	return s, err
}

// read bounds the size first: a file that is far too large is not one of ours.
func (f folder) read(name string) ([]byte, error) {
	path := filepath.Join(string(f), name)
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFileBytes {
		return nil, fmt.Errorf("it has %d bytes, far too many", info.Size())
	}
	return os.ReadFile(path)
}

// stateFiles lists the groups that have a state file, and removes what an
// interrupted replace left behind.
func (f folder) stateFiles() ([]string, error) {
	entries, err := os.ReadDir(string(f))
	if err != nil {
		return nil, fmt.Errorf("coordination folder: %w", err)
	}
	var groups []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), tempSuffix) {
			if err := os.Remove(filepath.Join(string(f), e.Name())); err != nil {
				return nil, fmt.Errorf("coordination folder: %w", err)
			}
			continue
		}
		if g, ok := strings.CutSuffix(e.Name(), stateSuffix); ok {
			groups = append(groups, g)
		}
	}
	return groups, nil
}

// save makes s durable, and then its group's place in the list of groups. The
// order matters: a group that is listed has a state.
func (f folder) save(s state, known []string) error {
	if err := f.replace(s.group+stateSuffix, s.encode()); err != nil {
		return err
	}
	if slices.Contains(known, s.group) {
		return nil
	}
	all := append(slices.Clone(known), s.group)
	slices.Sort(all)
	return f.replace(groupsFile, encodeGroups(all))
}

// replace puts b in the place of the file, whole: after a crash at any point
// the file has its old content or the new one, and once replace has returned
// nil it has the new one.
func (f folder) replace(name string, b []byte) error {
	path := filepath.Join(string(f), name)
	if err := writeSynced(path+tempSuffix, b); err != nil {
		return fmt.Errorf("coordination state %s: %w", path, err)
	}
	if err := os.Rename(path+tempSuffix, path); err != nil {
		return fmt.Errorf("coordination state %s: %w", path, err)
	}
	if err := syncDir(string(f)); err != nil {
		return fmt.Errorf("coordination state %s: %w", path, err)
	}
	return nil
}

// writeSynced returns once the content is on disk; the name may not be yet.
func writeSynced(path string, b []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(b)
	if err == nil {
		err = file.Sync()
	}
	return errors.Join(err, file.Close())
}

// syncDir makes the names in the directory durable: without it a rename may be
// lost with the power.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
