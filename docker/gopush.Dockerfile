# All binaries of gopush, linked statically. Build it from the root of the tree:
#   docker build -f docker/gopush.Dockerfile .
# The images can be named otherwise, such as by digest or in a registry of your own.
ARG GO_IMAGE=golang:1.26-bookworm
ARG BASE_IMAGE=debian:bookworm-slim

FROM ${GO_IMAGE} AS build
# Where modules come from, if not from where Go looks by itself.
ARG GOPROXY
ARG GOSUMDB
ENV CGO_ENABLED=0
WORKDIR /src
# The modules change less often than the sources: they are a layer of their own.
COPY go.mod go.sum ./
RUN go mod download
COPY cmd ./cmd
COPY comet ./comet
COPY hbase ./hbase
COPY internal ./internal
COPY message ./message
COPY migrations ./migrations
COPY web ./web
RUN go build -trimpath -buildvcs=false -ldflags='-s -w' -o /out/ ./cmd/...

FROM ${BASE_IMAGE}
RUN groupadd --gid 10001 gopush && \
    useradd --uid 10001 --gid 10001 --home-dir /var/lib/gopush --create-home --shell /usr/sbin/nologin gopush
COPY --from=build /out/ /usr/local/bin/
# A number, so that an orchestrator can see that it is not root.
USER 10001:10001
WORKDIR /var/lib/gopush
# Whether it can serve; GOPUSH_OPS names another address than the usual one.
HEALTHCHECK --interval=5s --timeout=15s --start-period=2m --retries=5 CMD ["gopush", "health", "--ready"]
ENTRYPOINT []
CMD ["gopush", "--help"]
