package doctor

import (
	"context"
	"time"
)

// Patient is what is examined. HBase nil: the store is the embedded one.
type Patient struct {
	Folder      Folder
	Connections int // that are allowed
	HBase       *Cluster
	// Certificates are those that the settings name.
	Certificates []Certificate
}

// Examine makes all checks.
func Examine(ctx context.Context, p Patient) Report {
	found := []Finding{openFiles(p.Connections)}
	if p.HBase != nil {
		p.Folder.Format = nil // the store is elsewhere
	}
	found = append(found, dataFolder(p.Folder)...)
	found = append(found, certificates(p.Certificates, time.Now())...)
	if p.HBase != nil {
		found = append(found, hbaseChecks(ctx, *p.HBase)...)
	}
	return report(found)
}
