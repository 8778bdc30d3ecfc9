// Package pb is the generated code of gopush.proto: the bytes that the roles
// exchange. It holds no behaviour; internal/rpc turns it into the vocabulary of
// internal/push and back, and nothing else imports it.
package pb

//go:generate protoc --go_out=. --go_opt=paths=source_relative --go-grpc_out=. --go-grpc_opt=paths=source_relative gopush.proto
