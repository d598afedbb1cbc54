FROM --platform=$BUILDPLATFORM debian:bookworm AS cross-amd64
RUN apt-get update && apt-get install -y gcc-x86-64-linux-gnu libc6-dev-amd64-cross
ENV CC=x86_64-linux-gnu-gcc
FROM --platform=$BUILDPLATFORM debian:bookworm AS cross-arm64
RUN apt-get update && apt-get install -y gcc-aarch64-linux-gnu libc6-dev-arm64-cross
ENV CC=aarch64-linux-gnu-gcc
FROM --platform=$BUILDPLATFORM debian:bookworm AS cross-arm
ARG TARGETVARIANT
RUN apt-get update && apt-get install -y gcc-arm-linux-gnueabihf libc6-dev-armhf-cross
ENV CC=arm-linux-gnueabihf-gcc MARCH=arm${TARGETVARIANT:-v7}
FROM cross-${TARGETARCH} AS build
ARG TARGETPLATFORM
ARG BUILDPLATFORM
WORKDIR /src
COPY *.c *.h Makefile ./
RUN echo "Building for $TARGETPLATFORM on $BUILDPLATFORM" && make static
FROM --platform=$TARGETPLATFORM busybox:1.36-musl
COPY --from=build /src/daemon /sbin/
ENTRYPOINT ["/sbin/daemon", "-f"]
