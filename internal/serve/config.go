package serve

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gopush/internal/config"
	"gopush/internal/quota"
	"gopush/message"
	"gopush/message/embedded"
)

// Config is what a System is made from: the settings, and what tests replace.
type Config struct {
	// Settings are those of the file and the flags; they must be valid.
	Settings config.Serve
	// Roles are those that run; 0: All.
	Roles Roles
	// ZooKeeperPassword goes with Settings.Coordination.User; empty: the one of
	// Settings.Coordination.PasswordFile.
	ZooKeeperPassword string
	// LogLevel is what the setting log.level changes when it is reloaded; nil: nothing.
	LogLevel *slog.LevelVar
	// MoreComets run beside Settings.Comet, each as a group of its own on the
	// same ring, with the certificate of that one. They join before anything is served,
	// and a reload leaves them alone.
	MoreComets []config.Comet
	// Now is the wall clock of ids and expiry; nil: time.Now.
	Now func() time.Time
	// OpenStore opens the store in a folder of the data folder; nil: the
	// embedded one. The System closes it.
	OpenStore func(dir string) (message.Store, error)
	// OpenHBase opens the store in HBase, if the settings choose it; nil: the
	// one of package hbase. The System closes it. If it has a method Check(context.Context) error, the roles
	// start once that returns nil, and its errors are told by readiness.
	OpenHBase func(config.Store, *slog.Logger, prometheus.Registerer) (message.Store, error)
	// Dial opens every connection to other roles and to ZooKeeper, to addr as host:port;
	// nil: plain TCP. Tests replace it, to cut connections. What the store opens does not go through it.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// prepare fills in the defaults and reports what cannot be.
func (c *Config) prepare(log *slog.Logger) error {
	if err := c.Settings.Validate(); err != nil {
		return err
	}
	if err := c.checkRoles(); err != nil {
		return err
	}
	groups := map[string]bool{c.Settings.Comet.Group: true}
	for i := range c.MoreComets {
		one := c.Settings
		one.Comet = c.MoreComets[i]
		if err := one.Validate(); err != nil {
			return err
		}
		if groups[one.Comet.Group] {
			return fmt.Errorf("two comets are of the group %s; give each its own", one.Comet.Group)
		}
		groups[one.Comet.Group] = true
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.OpenStore == nil {
		c.OpenStore = func(dir string) (message.Store, error) {
			return embedded.Open(embedded.Config{
				Dir: dir, MinFree: int64(c.Settings.Store.MinFree),
				// The other half is for its logs, and for connections between the roles.
				OpenFiles: quota.SpareFiles() / 2,
			}, log.With(slog.String("part", "store")), c.Now)
		}
	}
	if c.OpenHBase == nil {
		c.OpenHBase = func(s config.Store, log *slog.Logger, reg prometheus.Registerer) (message.Store, error) {
			return openHBase(s, log, c.Now, reg)
		}
	}
	return nil
}

// The content of the data folder.
const (
	lockFile    = "lock"
	storeFolder = "store"
	coordFolder = "coord"
	tokenFile   = "admin.token"
	hbaseFile   = "hbase" // there once messages may be in HBase
)

// StoreFormat reads in which format the store of a data folder was written, and
// which one this program reads; found is "" when there is none. Nobody may use
// the folder.
func StoreFormat(dir string) (found, wanted string, err error) {
	return embedded.Format(filepath.Join(dir, storeFolder))
}

// empty reports whether the folder is missing or has nothing in it.
func empty(dir string) (bool, error) {
	entries, err := os.ReadDir(dir)
	if os.IsNotExist(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("data folder: %w", err)
	}
	return len(entries) == 0, nil
}

// tokenPath is where the admin token lies.
func (c *Config) tokenPath(s config.Web) string {
	if s.AdminTokenFile != "" {
		return s.AdminTokenFile
	}
	return c.path(tokenFile)
}

func (c *Config) path(name string) string { return filepath.Join(c.Settings.Data, name) }
