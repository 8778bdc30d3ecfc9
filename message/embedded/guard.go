package embedded

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// guard is the file system that Pebble sees. Pebble ends the process, or holds
// its locks for ever, when its write-ahead log cannot be written. So the log's
// errors are kept from it: the first one becomes the fault of the store, after
// which no call is acknowledged, and Pebble goes on in the belief that all is
// well. From then on the folder stays as it is, as if the process had been
// killed at that moment: nothing more is added to the log, nothing is removed,
// and no new state of the tables is recorded.
type guard struct {
	vfs.FS
	fault *fault
}

func isLog(name string) bool { return strings.HasSuffix(name, ".log") }

func isManifest(name string) bool { return strings.HasPrefix(filepath.Base(name), "MANIFEST") }

func isTable(name string) bool { return strings.HasSuffix(name, ".sst") }

// Create makes a file, or what passes for one after a fault.
func (g *guard) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if isTable(name) {
		if err := g.fault.hold(); err != nil {
			return nil, err
		}
	}
	if isLog(name) && g.fault.get() != nil {
		return &logFile{fault: g.fault}, nil
	}
	f, err := g.FS.Create(name, category)
	return g.wrap(name, f, err)
}

// ReuseForWrite makes a log of an old one.
func (g *guard) ReuseForWrite(oldName, newName string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if g.fault.get() != nil {
		return &logFile{fault: g.fault}, nil
	}
	f, err := g.FS.ReuseForWrite(oldName, newName, category)
	return g.wrap(newName, f, err)
}

func (g *guard) wrap(name string, f vfs.File, err error) (vfs.File, error) {
	switch {
	case isLog(name):
		if g.fault.swallow(err) {
			return &logFile{fault: g.fault}, nil
		}
		if err == nil {
			return &logFile{File: f, fault: g.fault}, nil
		}
	case isManifest(name) && err == nil:
		return &manifestFile{File: f, fault: g.fault}, nil
	}
	return f, err
}

// Remove keeps everything after a fault.
func (g *guard) Remove(name string) error {
	if g.fault.get() != nil {
		return nil
	}
	return g.FS.Remove(name)
}

// OpenDir opens a folder, whose syncs are a part of writing the log.
func (g *guard) OpenDir(name string) (vfs.File, error) {
	f, err := g.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &logFile{File: f, fault: g.fault}, nil
}

// logFile never fails once the store is open. Without a file below it, it is one
// that could not be made.
type logFile struct {
	vfs.File
	fault *fault
}

// do carries f out, unless there was a fault, and keeps its error from Pebble.
func (l *logFile) do(f func() error) error {
	if l.File == nil || (l.fault.armed.Load() && l.fault.get() != nil) {
		return nil
	}
	if err := f(); err != nil && !l.fault.swallow(err) {
		return err
	}
	return nil
}

func (l *logFile) Write(p []byte) (int, error) {
	return len(p), l.do(func() error { _, err := l.File.Write(p); return err })
}

func (l *logFile) Sync() error { return l.do(func() error { return l.File.Sync() }) }

func (l *logFile) SyncData() error { return l.do(func() error { return l.File.SyncData() }) }

func (l *logFile) SyncTo(length int64) (full bool, err error) {
	err = l.do(func() error { full, err = l.File.SyncTo(length); return err })
	return full, err
}

func (l *logFile) Preallocate(offset, length int64) error {
	return l.do(func() error { return l.File.Preallocate(offset, length) })
}

func (l *logFile) Stat() (vfs.FileInfo, error) {
	if l.File == nil {
		return nothing{}, nil
	}
	return l.File.Stat()
}

func (l *logFile) Fd() uintptr {
	if l.File == nil {
		return vfs.InvalidFd
	}
	return l.File.Fd()
}

func (l *logFile) Close() error {
	if l.File == nil {
		return nil
	}
	return l.File.Close()
}

// nothing is what there is to say of a file that could not be made.
type nothing struct{ os.FileInfo }

func (nothing) Size() int64 { return 0 }

func (nothing) DeviceID() vfs.DeviceID { return vfs.DeviceID{} }

// manifestFile takes nothing more after a fault: tables that a failed disk may
// have lost must not replace the log.
type manifestFile struct {
	vfs.File
	fault *fault
}

func (m *manifestFile) Write(p []byte) (int, error) {
	if err := m.fault.get(); err != nil {
		return 0, err
	}
	return m.File.Write(p)
}

func (m *manifestFile) Sync() error {
	if err := m.fault.get(); err != nil {
		return err
	}
	return m.File.Sync()
}
