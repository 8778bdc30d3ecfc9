package serve

import (
	"errors"
	"fmt"
	"strings"

	"gopush/internal/config"
)

// Roles is a set of roles that run in one process.
type Roles uint8

// The roles.
const (
	Message Roles = 1 << iota
	Comet
	Web

	// All is what the zero value of a Config means, too.
	All = Message | Comet | Web
)

// Has reports whether all of some are among them.
func (r Roles) Has(some Roles) bool { return r&some == some }

// String names them.
func (r Roles) String() string {
	var names []string
	for i, name := range []string{"message", "comet", "web"} {
		if r.Has(1 << i) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// concern reports whether a setting says anything to the roles: those of a section that
// is called like a role are for that one alone.
func (r Roles) concern(path string) bool {
	section, _, _ := strings.Cut(path, ".")
	if section == "moving" {
		section = "web"
	}
	for i, name := range []string{"message", "comet", "web"} {
		if section == name {
			return r.Has(1 << i)
		}
	}
	return true
}

// checkRoles reports what a part of the roles cannot do.
func (c *Config) checkRoles() error {
	switch {
	case c.Roles == 0:
		c.Roles = All
	case c.Roles > All:
		return errors.New("an unknown role")
	}
	if c.Roles != All && !c.clustered() {
		return errors.New("coordination.kind is local, which is for one process with all roles; set it to zookeeper to run roles as processes of their own")
	}
	if c.clustered() && len(c.MoreComets) > 0 {
		return errors.New("with ZooKeeper each comet is a process of its own")
	}
	return nil
}

// clustered reports whether other processes may belong to the same cluster.
func (c *Config) clustered() bool { return c.Settings.Coordination.Kind == zookeeperKind }

// ParseRoles reads the name of one role, or all.
func ParseRoles(name string) (Roles, error) {
	switch name {
	case "all":
		return All, nil
	case "message":
		return Message, nil
	case "comet":
		return Comet, nil
	case "web":
		return Web, nil
	}
	return 0, fmt.Errorf("%q is no role; write message, comet, web or all", name)
}

// NeedsFolder reports whether a process with these roles keeps anything in the data folder.
func NeedsFolder(settings config.Serve, roles Roles) bool {
	c := Config{Settings: settings, Roles: roles}
	return c.needsFolder()
}

// needsFolder reports whether anything of this process is kept in the data folder.
func (c *Config) needsFolder() bool {
	s := &c.Settings
	return !c.clustered() ||
		c.Roles.Has(Message) && s.Store.Kind != hbaseKind ||
		c.Roles.Has(Web) && !s.Dev && s.Web.AdminTokenFile == ""
}
