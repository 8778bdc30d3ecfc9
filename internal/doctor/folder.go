package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Bounds of the free space on the disk of the data folder.
const (
	littleSpace = 1 << 30
	noSpace     = 64 << 20
)

// Folder is the data folder, and what of it must be asked elsewhere.
type Folder struct {
	Path string
	// InUse says by whom it is used; "" for nobody.
	InUse func(dir string) (who string, err error)
	// Format reads the format of the store in it, and the one that this program
	// reads; "" for none yet. It is not asked while the folder is used.
	Format func(dir string) (found, wanted string, err error)
}

// dataFolder looks at the folder. One that is missing will be made.
func dataFolder(f Folder) []Finding {
	const check = about("data folder")
	if f.Path == "" {
		return []Finding{check.ok("none is needed: this role keeps nothing in one")}
	}
	info, err := os.Stat(f.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return append([]Finding{creatable(f.Path)}, freeSpace(parentOf(f.Path)))
	case err != nil:
		return []Finding{check.say(Wrong, "Give this user access to it, or name another with --data.", "%s", err)}
	case !info.IsDir():
		return []Finding{check.say(Wrong, "Name a folder with --data.", "%s is not a folder", f.Path)}
	}
	found := []Finding{writable(f.Path), freeSpace(f.Path)}
	if f.Format != nil {
		found = append(found, format(f))
	}
	return found
}

// creatable looks whether the folder can be made.
func creatable(path string) Finding {
	const check = about("data folder")
	parent := parentOf(path)
	if err := tryFile(parent); err != nil {
		return check.say(Wrong, "Make it for this user, or name another with --data.", "%s does not exist and cannot be made: %s", path, err)
	}
	return check.ok("%s does not exist yet; it will be made", path)
}

// parentOf is the nearest folder above that exists.
func parentOf(path string) string {
	for {
		up := filepath.Dir(path)
		if _, err := os.Stat(up); err == nil || up == path {
			return up
		}
		path = up
	}
}

func writable(path string) Finding {
	const check = about("data folder")
	if err := tryFile(path); err != nil {
		return check.say(Wrong, "Give it to the user that gopush runs as.", "%s cannot be written to: %s", path, err)
	}
	return check.ok("%s can be written to", path)
}

// tryFile makes and removes a file, as the bits of a folder do not say
// everything: file systems are mounted read-only, and full.
func tryFile(dir string) error {
	f, err := os.CreateTemp(dir, ".doctor-")
	if err != nil {
		return err
	}
	_, err = f.WriteString("x")
	return errors.Join(err, f.Sync(), f.Close(), os.Remove(f.Name()))
}

func freeSpace(path string) Finding {
	const check = about("free space")
	var s syscall.Statfs_t
	if err := syscall.Statfs(path, &s); err != nil {
		return check.say(Unknown, "Look at df.", "it cannot be read: %s", err)
	}
	return judgeSpace(path, s.Bavail*uint64(max(s.Bsize, 0)))
}

func judgeSpace(path string, free uint64) Finding {
	const check = about("free space")
	text := fmt.Sprintf("%.1f GiB where %s is", float64(free)/(1<<30), path)
	switch {
	case free < noSpace:
		return check.say(Wrong, "Make room: with a full disk gopush ends rather than acknowledge what is not stored.", "%s", text)
	case free < littleSpace:
		return check.say(Note, "Make room soon: with a full disk gopush ends rather than acknowledge what is not stored.", "%s", text)
	default:
		return check.ok("%s", text)
	}
}

// format looks at the store, if nobody else uses it.
func format(f Folder) Finding {
	const check = about("store format")
	who, err := f.InUse(f.Path)
	if err != nil {
		return check.say(Unknown, "Give this user access to the folder.", "%s", err)
	}
	if who != "" {
		return check.ok("%s uses the folder, and reads its format", who)
	}
	found, wanted, err := f.Format(f.Path)
	switch {
	case err != nil:
		return check.say(Wrong, "Take the folder from a backup. A copy is only whole if it was made while nobody used the folder.", "the store cannot be opened: %s", err)
	case found == "":
		return check.ok("there is no store yet")
	case found != wanted:
		return check.say(Wrong, "Run the gopush that wrote it, or name another folder with --data.", "the store was written as %q, and this program reads %q", found, wanted)
	default:
		return check.ok("%q", found)
	}
}
