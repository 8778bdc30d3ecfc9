// Package apitest makes docs/openapi.yaml a judge for tests: whether an answer is one that
// the document promises, and which of its promises nothing has shown yet. It makes no
// request and knows no handler.
package apitest
