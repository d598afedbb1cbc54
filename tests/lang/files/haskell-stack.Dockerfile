FROM haskell:9.6-slim-bullseye AS dependencies
WORKDIR /opt/build
COPY stack.yaml stack.yaml.lock package.yaml /opt/build/
RUN stack build --system-ghc --dependencies-only
FROM haskell:9.6-slim-bullseye AS build
COPY --from=dependencies /root/.stack /root/.stack
COPY . /opt/build/
WORKDIR /opt/build
RUN stack build --system-ghc && mv "$(stack path --local-install-root --system-ghc)/bin" /opt/build/bin
FROM debian:bullseye-slim AS app
RUN mkdir -p /opt/app
WORKDIR /opt/app
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates libgmp10 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/build/bin .
EXPOSE 8080
CMD ["/opt/app/service-exe"]
