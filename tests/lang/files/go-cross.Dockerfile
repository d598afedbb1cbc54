# syntax=docker/dockerfile:1

ARG GO_VERSION=1.23
ARG XX_VERSION=1.5.0

# xx knows how to cross-compile with cgo
FROM --platform=$BUILDPLATFORM tonistiigi/xx:${XX_VERSION} AS xx

FROM --platform=$BUILDPLATFORM golang:${GO_VERSION}-bookworm AS base
COPY --from=xx / /
RUN apt-get update && apt-get install --no-install-recommends -y clang lld
WORKDIR /src

FROM base AS vendored
RUN --mount=target=.,rw --mount=type=cache,target=/go/pkg/mod \
    go mod tidy && go mod vendor && \
    mkdir /out && cp -r go.mod go.sum vendor /out

FROM scratch AS vendor-update
COPY --from=vendored /out /

FROM base AS build
ARG TARGETPLATFORM
RUN xx-apt-get install -y binutils gcc libc6-dev libsqlite3-dev
ENV CGO_ENABLED=1
RUN --mount=type=bind,target=. \
    --mount=type=cache,target=/root/.cache \
    --mount=type=cache,target=/go/pkg/mod <<EOT
  set -e
  xx-go build -o /out/agent -tags "sqlite_omit_load_extension netgo" ./cmd/agent
  xx-verify /out/agent
EOT

FROM base AS lint
RUN --mount=target=. --mount=type=cache,target=/root/.cache golangci-lint run ./...

FROM scratch AS binary-unix
COPY --link --from=build /out/agent /
FROM binary-unix AS binary-darwin
FROM binary-unix AS binary-linux
FROM scratch AS binary-windows
COPY --link --from=build /out/agent /agent.exe
FROM binary-$TARGETOS AS binary

FROM debian:bookworm-slim AS image
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked,id=apt-$TARGETPLATFORM \
    apt-get update && apt-get install -y --no-install-recommends libsqlite3-0
COPY --link --from=build /out/agent /usr/local/bin/
ENTRYPOINT [ "agent" ]
