package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"gopush/hbase"
	"gopush/internal/command"
	"gopush/internal/config"
	"gopush/internal/doctor"
	"gopush/internal/serve"
)

// doctorCmd looks at the surroundings of a node on this machine. It needs no
// running server.
type doctorCmd struct {
	Config string `help:"Settings file of gopush serve." type:"path" placeholder:"FILE"`
	Data   string `help:"Data folder." placeholder:"FOLDER"`
	Role   string `help:"Of the process: message, comet, web or all. Without it the one that the settings file is named after, as in message.yaml, else all." placeholder:"ROLE"`
	Store  string `help:"Where messages are kept: embedded, in the data folder, or hbase." env:"GOPUSH_STORE" placeholder:"KIND"`
	hbaseFlags
	Timeout time.Duration `help:"How long the whole may take." default:"1m"`
}

// errUnhealthy ends the command when something is wrong; the findings say what.
var errUnhealthy = errors.New("something is wrong; see above")

// Run examines, and fails if something is wrong.
func (c *doctorCmd) Run(ctx context.Context, cli *commands, s streams) error {
	settings, err := c.settings()
	if err != nil {
		return err
	}
	roles, err := c.roles(settings)
	if err != nil {
		return err
	}
	patient := patientOf(settings, roles)
	if settings.Store.Kind == "hbase" && roles.Has(serve.Message) {
		target, err := targetOf(settings.Store)
		if err != nil {
			return err
		}
		admin, err := newAdmin(settings.Store)
		if err != nil {
			return err
		}
		defer admin.Close()
		patient.HBase = &doctor.Cluster{
			Target: target, Durability: settings.Store.Durability,
			Keep: settings.Store.Keep, LongestTTL: settings.Messages.DefaultTTL,
			HBase: admin, Ping: hbase.PingZooKeeper, Settings: doctor.ServerSettings, Now: time.Now,
		}
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	return printReport(doctor.Examine(ctx, patient), cli.JSON, s)
}

// roles are those of the flag, or of the name of the settings file: the roles of a cluster
// have one each.
func (c *doctorCmd) roles(settings config.Serve) (serve.Roles, error) {
	if c.Role != "" {
		roles, err := serve.ParseRoles(c.Role)
		if err != nil {
			return 0, usage("--role: %w", err)
		}
		return roles, nil
	}
	name := strings.TrimSuffix(filepath.Base(c.Config), filepath.Ext(c.Config))
	if roles, err := serve.ParseRoles(name); err == nil && settings.Coordination.Kind == "zookeeper" {
		return roles, nil
	}
	return serve.All, nil
}

// patientOf is what is examined of a process with these roles, but for HBase.
func patientOf(settings config.Serve, roles serve.Roles) doctor.Patient {
	p := doctor.Patient{Ops: settings.Ops, OpsTLS: settings.OpsTLS(), Certificates: certificatesOf(&settings), Listeners: []doctor.Listener{
		{Setting: "ops", Addr: settings.Ops, Gives: "metrics and profiles"},
	}}
	if serve.NeedsFolder(settings, roles) {
		p.Folder = doctor.Folder{Path: settings.Data, InUse: serve.InUse, Format: serve.StoreFormat}
	}
	if roles.Has(serve.Comet) {
		p.Connections = settings.Comet.MaxConnections
	}
	if roles.Has(serve.Web) {
		p.Listeners = append(p.Listeners, doctor.Listener{
			Setting: "web.admin", Addr: settings.Web.Admin, Gives: "the admin API, which only its token keeps closed",
		})
	}
	if settings.Coordination.Kind == "zookeeper" {
		p.Coordination = &doctor.Coordination{
			Servers: settings.CoordinationServers(), Root: settings.Coordination.Root, User: settings.Coordination.User,
			Session: settings.Coordination.Session,
			Shared:  settings.Store.Kind == "hbase" && roles.Has(serve.Message) && len(settings.Coordination.Servers) == 0,
			Ping:    hbase.PingZooKeeper,
			Look: func(ctx context.Context) (doctor.Sight, error) {
				return serve.Look(ctx, settings, command.ZooKeeperPassword())
			},
		}
	}
	return p
}

func (c *doctorCmd) settings() (config.Serve, error) {
	settings, err := command.FromFile(c.Config)
	if err != nil {
		return settings, err
	}
	if err := command.Set(&settings, [][2]string{{"data", c.Data}, {"store.kind", c.Store}}); err != nil {
		return settings, err
	}
	if err := c.Apply(&settings); err != nil {
		return settings, err
	}
	if err := settings.Validate(); err != nil {
		return settings, usage("%w", err)
	}
	return settings, nil
}

func printReport(r doctor.Report, asJSON bool, s streams) error {
	var err error
	if asJSON {
		err = writeJSON(s.out, r)
	} else {
		_, err = io.WriteString(s.out, reportText(r))
	}
	if err == nil && !r.Healthy {
		err = errUnhealthy
	}
	return err
}

func reportText(r doctor.Report) string {
	var b strings.Builder
	for _, f := range r.Findings {
		fmt.Fprintf(&b, "%-8s %s: %s\n", f.Verdict, f.Check, f.Seen)
		if f.Fix != "" {
			fmt.Fprintf(&b, "         -> %s\n", f.Fix)
		}
	}
	return b.String()
}
