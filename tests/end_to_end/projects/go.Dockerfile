ARG GO_VERSION=1.22
ARG ALPINE=3.20
FROM --platform=$BUILDPLATFORM base AS build
ARG GO_VERSION
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=dev COMMIT
ENV CGO_ENABLED=0 GOFLAGS="-trimpath -mod=readonly"
WORKDIR /src
COPY go.mod go.su[m] ./
RUN --mount=type=cache,target=/go/pkg/mod,id=mod echo download > /go/pkg/mod/x && cat go.mod
COPY . .
RUN --mount=type=cache,target=/root/.cache/go-build \
    --mount=type=bind,source=scripts,target=/scripts \
    set -eux; \
    sh /scripts/build.sh "$GO_VERSION" "$TARGETOS/$TARGETARCH" "${VERSION}" "${COMMIT:-none}" > /out; \
    chmod 0755 /out
FROM scratch AS export
COPY --from=build /out /server
FROM base
RUN echo app:x:101: >> /etc/group && echo app:x:100:101::/:/bin/sh >> /etc/passwd
COPY --from=build --chown=app:app /out /usr/local/bin/server
COPY --from=export /server /usr/bin/
USER app:app
EXPOSE 8080/tcp
EXPOSE 9090
HEALTHCHECK --interval=30s --timeout=3s CMD wget -qO- http://localhost:8080/healthz || exit 1
LABEL org.opencontainers.image.title="server" \
      org.opencontainers.image.version=$VERSION
ENTRYPOINT ["/usr/local/bin/server"]
CMD ["--config", "/etc/server.yaml"]
