package hbase

import (
	"context"
	"fmt"

	"github.com/tsuna/gohbase/pb"
	"google.golang.org/protobuf/proto"
)

// TableState says whether a table serves.
type TableState int

// The states; the numbers of all but the first are HBase's plus one.
const (
	TableMissing TableState = iota
	TableEnabled
	TableDisabled
	TableDisabling
	TableEnabling
)

func (s TableState) String() string {
	names := [...]string{"missing", "enabled", "disabled", "disabling", "enabling"}
	if s < 0 || int(s) >= len(names) {
		return fmt.Sprintf("state %d", int(s))
	}
	return names[s]
}

// Describe returns nil when there is no such table.
func (a *Admin) Describe(ctx context.Context, table TableName) (*Descriptor, error) {
	msg, err := a.ask(ctx, "GetTableDescriptors",
		&pb.GetTableDescriptorsRequest{TableNames: []*pb.TableName{table.pb()}}, &pb.GetTableDescriptorsResponse{})
	if refused(err, classTableNotFound) || refused(err, classNamespaceNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	r, ok := msg.(*pb.GetTableDescriptorsResponse)
	if !ok || len(r.GetTableSchema()) == 0 {
		return nil, nil
	}
	return &Descriptor{r.GetTableSchema()[0]}, nil
}

// Tables lists the tables of a namespace. One that does not exist has none.
func (a *Admin) Tables(ctx context.Context, namespace string) ([]TableName, error) {
	msg, err := a.ask(ctx, "ListTableNamesByNamespace",
		&pb.ListTableNamesByNamespaceRequest{NamespaceName: &namespace}, &pb.ListTableNamesByNamespaceResponse{})
	if refused(err, classNamespaceNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []TableName
	if r, ok := msg.(*pb.ListTableNamesByNamespaceResponse); ok {
		for _, t := range r.GetTableName() {
			all = append(all, TableName{string(t.GetNamespace()), string(t.GetQualifier())})
		}
	}
	return all, nil
}

// State asks whether the table serves. The request is younger than gohbase's
// descriptions.
func (a *Admin) State(ctx context.Context, table TableName) (TableState, error) {
	request, err := messageField(table.pb())
	if err != nil {
		return 0, err
	}
	msg, err := a.ask(ctx, "GetTableState", unlisted(request), unlisted(nil))
	if refused(err, classTableNotFound) {
		return TableMissing, nil
	}
	if err != nil {
		return 0, err
	}
	_, state, ok := unlistedField(msg.ProtoReflect().GetUnknown(), 1)
	if !ok {
		return 0, fmt.Errorf("hbase: the master gives no state of the table %s", table)
	}
	return stateOf(state), nil
}

// stateOf reads HBase's message TableState. The state is its first field, and
// enabled, as 0, may be left out.
func stateOf(b []byte) TableState {
	n, _, _ := unlistedField(b, 1)
	return TableState(n) + TableEnabled
}

// madeBy is what a namespace says that CreateNamespace has made.
const madeBy = "gopush.made"

// Namespace asks for a namespace, and whether CreateNamespace has made it.
func (a *Admin) Namespace(ctx context.Context, namespace string) (exists, ours bool, err error) {
	msg, err := a.ask(ctx, "GetNamespaceDescriptor",
		&pb.GetNamespaceDescriptorRequest{NamespaceName: &namespace}, &pb.GetNamespaceDescriptorResponse{})
	if refused(err, classNamespaceNotFound) {
		return false, false, nil
	}
	if err != nil {
		return false, false, err
	}
	if r, ok := msg.(*pb.GetNamespaceDescriptorResponse); ok {
		for _, c := range r.GetNamespaceDescriptor().GetConfiguration() {
			ours = ours || c.GetName() == madeBy
		}
	}
	return true, ours, nil
}

// CreateNamespace is content with one that exists.
func (a *Admin) CreateNamespace(ctx context.Context, namespace string, tick Tick) error {
	err := a.do(ctx, tick, "CreateNamespace", &pb.CreateNamespaceRequest{
		NamespaceDescriptor: &pb.NamespaceDescriptor{
			Name: []byte(namespace), Configuration: []*pb.NameStringPair{{Name: new(madeBy), Value: new("true")}},
		},
		NonceGroup: nonce(), Nonce: nonce(),
	}, &pb.CreateNamespaceResponse{})
	if refused(err, classNamespaceExists) {
		return nil
	}
	return err
}

// DeleteNamespace is content with one that does not exist. HBase refuses to
// delete one that still has tables; kept says so.
func (a *Admin) DeleteNamespace(ctx context.Context, namespace string, tick Tick) (kept bool, err error) {
	err = a.do(ctx, tick, "DeleteNamespace", &pb.DeleteNamespaceRequest{
		NamespaceName: &namespace, NonceGroup: nonce(), Nonce: nonce(),
	}, &pb.DeleteNamespaceResponse{})
	switch {
	case refused(err, classNamespaceNotFound):
		return false, nil
	case refused(err, classConstraint):
		return true, nil
	default:
		return false, err
	}
}

// CreateTable makes the table, with one region more than there are splits. It
// says exists when there is a table of the name, whoever made it.
func (a *Admin) CreateTable(ctx context.Context, d *Descriptor, splits [][]byte, tick Tick) (exists bool, err error) {
	err = a.do(ctx, tick, "CreateTable", createRequest(d, splits), createResponse())
	if refused(err, classTableExists) {
		return true, nil
	}
	return false, err
}

func createRequest(d *Descriptor, splits [][]byte) proto.Message {
	return &pb.CreateTableRequest{TableSchema: d.schema, SplitKeys: splits, NonceGroup: nonce(), Nonce: nonce()}
}

func createResponse() proto.Message { return &pb.CreateTableResponse{} }

// ModifyTable makes the table what d says. HBase reopens its regions one after
// the other, so that it goes on serving.
func (a *Admin) ModifyTable(ctx context.Context, d *Descriptor, tick Tick) error {
	return a.do(ctx, tick, "ModifyTable", &pb.ModifyTableRequest{
		TableName: d.schema.GetTableName(), TableSchema: d.schema, NonceGroup: nonce(), Nonce: nonce(),
	}, &pb.ModifyTableResponse{})
}

// EnableTable makes a disabled table serve again.
func (a *Admin) EnableTable(ctx context.Context, table TableName, tick Tick) error {
	return a.do(ctx, tick, "EnableTable",
		&pb.EnableTableRequest{TableName: table.pb(), NonceGroup: nonce(), Nonce: nonce()}, &pb.EnableTableResponse{})
}

// DisableTable is content with a table that is disabled.
func (a *Admin) DisableTable(ctx context.Context, table TableName, tick Tick) error {
	err := a.do(ctx, tick, "DisableTable",
		&pb.DisableTableRequest{TableName: table.pb(), NonceGroup: nonce(), Nonce: nonce()}, &pb.DisableTableResponse{})
	if refused(err, classTableNotEnabled) {
		return nil
	}
	return err
}

// DeleteTable deletes a disabled table. One that does not exist is fine.
func (a *Admin) DeleteTable(ctx context.Context, table TableName, tick Tick) error {
	err := a.do(ctx, tick, "DeleteTable",
		&pb.DeleteTableRequest{TableName: table.pb(), NonceGroup: nonce(), Nonce: nonce()}, &pb.DeleteTableResponse{})
	if refused(err, classTableNotFound) {
		return nil
	}
	return err
}

// dropTable disables and deletes a table.
func (a *Admin) dropTable(ctx context.Context, table TableName) error {
	if err := a.DisableTable(ctx, table, nil); err != nil && !refused(err, classTableNotFound) {
		return err
	}
	return a.DeleteTable(ctx, table, nil)
}

// do asks for something that takes time, and waits until HBase has done it.
func (a *Admin) do(ctx context.Context, tick Tick, name string, request, response proto.Message) error {
	id, err := a.begin(ctx, name, request, response)
	if err != nil || id == 0 {
		return err
	}
	return a.wait(ctx, tick, name, id)
}
