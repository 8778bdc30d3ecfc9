package doctor

import (
	"context"
	"time"
)

// Patient is what is examined.
type Patient struct {
	Folder       Folder        // its Path empty: nothing is kept in one
	Connections  int           // that are allowed
	Ops          string        // the ops listener, host:port
	OpsTLS       bool          // it is spoken to over TLS
	Listeners    []Listener    // that are for operators alone
	HBase        *Cluster      // nil: the store is another one, or not of this process
	Coordination *Coordination // nil: it is within the process
	Certificates []Certificate // that the settings name
}

// Examine makes all checks.
func Examine(ctx context.Context, p Patient) Report {
	found := append([]Finding{openFiles(p.Connections)}, usedFiles(ctx, p.Ops, p.OpsTLS)...)
	found = append(found, openListeners(ctx, p.Listeners, ownAddresses)...)
	if p.HBase != nil {
		p.Folder.Format = nil // the store is elsewhere
	}
	found = append(found, dataFolder(p.Folder)...)
	found = append(found, certificates(p.Certificates, time.Now())...)
	if p.HBase != nil {
		found = append(found, hbaseChecks(ctx, *p.HBase)...)
	}
	if p.Coordination != nil {
		found = append(found, coordination(ctx, *p.Coordination)...)
	}
	return report(found)
}
