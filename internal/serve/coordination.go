package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"gopush/internal/config"
	"gopush/internal/coord"
	"gopush/internal/coord/local"
	"gopush/internal/coord/zk"
)

// The kind of coordination that spans processes.
const zookeeperKind = "zookeeper"

// coordination is how the roles of this process find the others, and agree with
// them on who serves what.
type coordination interface {
	coord.Directory
	coord.Membership
	coord.Registry
	coord.Admin
	// Health is nil while the newest state can be read; the error says why not.
	Health() error
	Close() error
}

var (
	_ coordination = (*local.Coordinator)(nil)
	_ coordination = (*zk.Coordinator)(nil)
)

// coordinationOf opens what the settings name. ZooKeeper is not waited for.
func (s *System) coordinationOf() (coordination, error) {
	log := s.part("coord")
	if s.cfg.clustered() {
		return s.throughZooKeeper(log)
	}
	// Without a store there is no message, and only then may coordination begin
	// from nothing. So it must come first: the store makes its folder.
	fresh, err := s.cfg.fresh()
	if err != nil {
		return nil, err
	}
	c, err := local.Open(local.Config{Dir: s.cfg.path(coordFolder), Fresh: fresh}, log, s.cfg.Now)
	if err != nil {
		return nil, err // not c: a nil pointer in an interface is not nil
	}
	return c, nil
}

func (s *System) throughZooKeeper(log *slog.Logger) (coordination, error) {
	settings := &s.cfg.Settings.Coordination
	password, err := s.cfg.zooKeeperPassword()
	if err != nil {
		return nil, err
	}
	c, err := zk.Open(zk.Config{
		Servers: s.cfg.Settings.CoordinationServers(), Root: settings.Root, Session: settings.Session,
		User: settings.User, Password: password,
		Machine: coord.Config{RemoveAfter: settings.RemoveAfter},
		Dial:    s.cfg.Dial,
	}, log, s.cfg.Now)
	if err != nil {
		return nil, fmt.Errorf("coordination: %w", err)
	}
	return c, nil
}

// Look sees what is in ZooKeeper, for somebody who only looks; the password may be empty, as
// in Config. The settings must be valid.
func Look(ctx context.Context, settings config.Serve, password string) (zk.Sight, error) {
	c := Config{Settings: settings, ZooKeeperPassword: password}
	password, err := c.zooKeeperPassword()
	if err != nil {
		return zk.Sight{}, err
	}
	return zk.Look(ctx, zk.Config{
		Servers: settings.CoordinationServers(), Root: settings.Coordination.Root, Session: settings.Coordination.Session,
		User: settings.Coordination.User, Password: password,
	}, slog.New(slog.DiscardHandler))
}

// zooKeeperPassword is the one that was given, or else the file's. It is in no
// error.
func (c *Config) zooKeeperPassword() (string, error) {
	settings := &c.Settings.Coordination
	if settings.User == "" {
		return "", nil
	}
	if c.ZooKeeperPassword != "" {
		return c.ZooKeeperPassword, nil
	}
	if settings.PasswordFile == "" {
		return "", errors.New("coordination.user is set, but there is no password; give it as GOPUSH_ZOOKEEPER_PASSWORD, or in the file coordination.password_file")
	}
	f, err := os.Open(settings.PasswordFile)
	if err != nil {
		return "", fmt.Errorf("coordination.password_file: %w", err)
	}
	defer func() { _ = f.Close() }() // only read
	b, err := io.ReadAll(io.LimitReader(f, maxToken+2))
	if err != nil {
		return "", fmt.Errorf("coordination.password_file: %w", err)
	}
	password := strings.TrimRight(string(b), "\r\n")
	if password == "" || len(password) > maxToken || strings.ContainsAny(password, "\r\n") {
		return "", fmt.Errorf("coordination.password_file: %s does not hold one line of 1 to %d bytes", settings.PasswordFile, maxToken)
	}
	return password, nil
}
