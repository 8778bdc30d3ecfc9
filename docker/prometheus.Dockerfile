# Prometheus as Debian packages it. Its configuration, docker/prometheus, is mounted.
# Build it from the root of the tree:
#   docker build -f docker/prometheus.Dockerfile .
ARG BASE_IMAGE=debian:bookworm-slim

FROM ${BASE_IMAGE}
RUN apt-get update -qq && \
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends prometheus >/dev/null && \
    rm -rf /var/lib/apt/lists/*
RUN groupadd --gid 10001 gopush && \
    useradd --uid 10001 --gid 10001 --home-dir /data --create-home --shell /usr/sbin/nologin gopush
USER 10001:10001
WORKDIR /data
HEALTHCHECK --interval=10s --timeout=15s --start-period=2m --retries=5 \
  CMD ["promtool", "query", "instant", "http://127.0.0.1:9090", "vector(1)"]
ENTRYPOINT ["prometheus"]
CMD ["--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/data", "--storage.tsdb.retention.time=15d"]
