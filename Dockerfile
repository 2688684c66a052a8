# latchd and latchctl on Debian, nothing else. Built by `docker compose up --build`.

FROM swift:6.3-bookworm AS build
RUN apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        libnghttp2-dev libsqlite3-dev pkg-config \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /build
# Dependencies first: they change seldom, and their layer is kept.
COPY Package.swift Package.resolved* ./
RUN swift package resolve
COPY Sources ./Sources
COPY Tests ./Tests
RUN swift build -c release --static-swift-stdlib --product latchd \
    && swift build -c release --static-swift-stdlib --product latchctl \
    && mkdir -p /out \
    && install "$(swift build -c release --show-bin-path)"/latchd \
        "$(swift build -c release --show-bin-path)"/latchctl /out/

FROM debian:bookworm-slim
RUN apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        libnghttp2-14 libsqlite3-0 libstdc++6 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --user-group --home-dir /var/lib/latchd --shell /usr/sbin/nologin latchd \
    && install -d -m 0700 -o latchd -g latchd /var/lib/latchd
COPY --from=build /out/ /usr/local/bin/
COPY Config/docker /etc/latchd
USER latchd
VOLUME /var/lib/latchd
# Peers, clients, and the status page with metrics.
EXPOSE 7301 7401 7501
# SIGTERM hands leadership over and exits within five seconds.
STOPSIGNAL SIGTERM
# Healthy: a majority follows a leader, as the nodes say that this one names; a port
# other than 7401 needs a health check of its own.
HEALTHCHECK --interval=5s --timeout=5s --start-period=15s --retries=3 \
    CMD ["/usr/local/bin/latchctl", "status", "--endpoints", "127.0.0.1:7401", "--timeout", "2s"]
ENTRYPOINT ["/usr/local/bin/latchd"]
CMD ["--help"]
