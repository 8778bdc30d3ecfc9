// Package trace is how the roles tell where a request spends its time: spans that
// begin, end and are carried from one process to the next. It knows nothing of where
// they go; that is the provider's, such as the one of internal/trace/otlp.
//
// Nothing that is somebody's own goes into a span: no key, body, token or idempotency
// key. Errors are told by their kind alone, as their text may name what was sent.
package trace
