package command

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kong"

	"gopush/internal/daemon"
	"gopush/internal/serve"
)

// Role is a process with some of the roles.
type Role struct {
	Name  string
	Roles serve.Roles
	Help  string // what it does, in a sentence
}

// Main is all of its main: it serves until a signal, and returns the exit code. A
// second signal ends the process at once.
func (r Role) Main() int {
	ctx, release := daemon.UntilSignal(context.Background(), func(s os.Signal) {
		fmt.Fprintf(os.Stderr, "%s: %s again, ending at once\n", r.Name, s)
		os.Exit(exitFailure)
	})
	defer release()
	return r.run(ctx, os.Args[1:], os.Stdout, os.Stderr)
}

// run executes one command line.
func (r Role) run(ctx context.Context, args []string, out, errs io.Writer) int {
	var flags Flags
	helped := false
	app, err := kong.New(&flags, kong.Name(r.Name), kong.Writers(out, errs),
		kong.Description(r.Help+" It finds the other roles through ZooKeeper, and prints its addresses as JSON."),
		// Kong ends the process itself after help. Here it only notes it.
		kong.Exit(func(int) { helped = true }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}))
	if err == nil {
		_, err = app.Parse(args)
		if err != nil && !helped {
			err = Usage("%w; see %s --help", err, r.Name)
		}
	}
	if helped {
		return exitOK
	}
	if err == nil {
		p := &Process{Name: r.Name, Roles: r.Roles, Out: out, Err: errs, Opened: func(sys *serve.System) error {
			return json.NewEncoder(out).Encode(sys.Addrs())
		}}
		err = p.Run(ctx, &flags)
	}
	if err != nil {
		fmt.Fprintf(errs, "%s: %v\n", r.Name, err)
	}
	return exitCode(err)
}
