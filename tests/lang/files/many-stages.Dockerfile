# syntax=docker/dockerfile:1
ARG ALPINE=3.20
ARG TOOLS="shfmt jq yq"

FROM alpine:${ALPINE} AS alpine
FROM alpine AS fetcher
RUN apk add --no-cache curl tar xz

FROM fetcher AS shfmt
ARG SHFMT=v3.10.0 TARGETARCH
RUN curl -fsSL -o /shfmt https://example.org/shfmt/$SHFMT/shfmt_linux_$TARGETARCH && chmod +x /shfmt
FROM fetcher AS jq
ARG JQ=1.7.1
ARG TARGETARCH
RUN curl -fsSL -o /jq https://example.org/jq/$JQ/jq-linux-$TARGETARCH && chmod +x /jq
FROM fetcher AS yq
ARG YQ=v4.44.3
ARG TARGETARCH
RUN curl -fsSL -o /yq https://example.org/yq/$YQ/yq_linux_$TARGETARCH && chmod +x /yq

FROM golang:1.23-alpine AS go
WORKDIR /go/src
FROM go AS lint-tool
RUN go install example.org/lint@v1.61.0
FROM go AS generate-tool
RUN go install example.org/generate@latest

FROM scratch AS bin
COPY --from=shfmt /shfmt /
COPY --from=jq /jq /
COPY --from=yq /yq /
COPY --from=lint-tool /go/bin/lint /
COPY --from=generate-tool /go/bin/generate /

FROM alpine AS check-scripts
RUN --mount=from=bin,target=/bin/tools --mount=target=/src \
    /bin/tools/shfmt -d /src/scripts

FROM alpine AS check-json
RUN --mount=from=bin,target=/bin/tools --mount=target=/src \
    find /src -name '*.json' -exec /bin/tools/jq -e . {} + > /dev/null

FROM go AS check-go
RUN --mount=from=bin,target=/bin/tools --mount=target=. /bin/tools/lint run

# Depends on every check, holds nothing.
FROM scratch AS checks
COPY --from=check-scripts /etc/os-release /a
COPY --from=check-json /etc/os-release /b
COPY --from=check-go /etc/os-release /c

FROM bin
