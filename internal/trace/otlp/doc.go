// Package otlp sends spans to a collector: a provider for internal/trace, with a bounded
// queue behind it, and OTLP over HTTP. A collector that is away or slow costs spans, which
// are counted, and nothing else. It does not read settings, and sets nothing that is global.
package otlp
