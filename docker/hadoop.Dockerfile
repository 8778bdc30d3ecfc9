# ZooKeeper, HDFS and HBase in one image: exactly the jars that the tests of this tree run
# on. Build it from the root of the tree:
#   docker build -f docker/hadoop.Dockerfile .
ARG BASE_IMAGE=debian:bookworm-slim

FROM ${BASE_IMAGE} AS jars
RUN apt-get update -qq && \
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      ca-certificates openjdk-17-jre-headless maven >/dev/null && \
    rm -rf /var/lib/apt/lists/*
# A mirror of Maven's central repository, if it is to be asked instead.
ARG MAVEN_MIRROR
WORKDIR /fetch
COPY hbase/hbasetest/pom.xml hbase/hbasetest/sums.txt ./
RUN if [ -n "$MAVEN_MIRROR" ]; then mkdir -p "$HOME/.m2" && \
      printf '<settings><mirrors><mirror><id>mirror</id><mirrorOf>*</mirrorOf><url>%s</url></mirror></mirrors></settings>\n' \
        "$MAVEN_MIRROR" > "$HOME/.m2/settings.xml"; fi && \
    mvn -B -q -Djars=/jars dependency:copy-dependencies
# All of the jars that are expected, unaltered, and no others.
RUN cd /jars && sha256sum --check --strict --quiet /fetch/sums.txt && \
    test "$(ls | wc -l)" = "$(wc -l < /fetch/sums.txt)"
# Some classes are in several jars, so their order counts; that of the tests is by name.
RUN awk '{ print "/opt/hadoop/jars/" $2 }' /fetch/sums.txt | LC_ALL=C sort | paste -sd : > /classpath

FROM ${BASE_IMAGE}
RUN apt-get update -qq && \
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends openjdk-17-jre-headless >/dev/null && \
    rm -rf /var/lib/apt/lists/*
# Hadoop wants its user to have a name. What is in /data is a volume's, which takes the
# owner from here. The jars lack the web pages, but nobody starts without the folders.
RUN groupadd --gid 10001 hadoop && \
    useradd --uid 10001 --gid 10001 --home-dir /data --create-home --shell /usr/sbin/nologin hadoop && \
    mkdir -p /opt/hadoop/web/webapps/hdfs /opt/hadoop/web/webapps/datanode /opt/hadoop/web/webapps/static \
      /opt/hadoop/web/hbase-webapps/master /opt/hadoop/web/hbase-webapps/regionserver /opt/hadoop/web/hbase-webapps/static
COPY --from=jars /jars /opt/hadoop/jars
COPY --from=jars /classpath /opt/hadoop/classpath
COPY docker/hadoop/run docker/hadoop/healthy /usr/local/bin/
COPY docker/hadoop/*.xml docker/hadoop/zoo.cfg docker/hadoop/log4j.properties /etc/hadoop/
USER 10001:10001
WORKDIR /data
HEALTHCHECK --interval=5s --timeout=15s --start-period=3m --retries=5 CMD ["healthy"]
ENTRYPOINT ["run"]
