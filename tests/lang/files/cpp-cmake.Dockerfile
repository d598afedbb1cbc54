# syntax=docker/dockerfile:1
FROM ubuntu:24.04 AS toolchain
ARG DEBIAN_FRONTEND=noninteractive
RUN --mount=type=cache,target=/var/cache/apt,sharing=locked \
    --mount=type=cache,target=/var/lib/apt,sharing=locked \
    rm -f /etc/apt/apt.conf.d/docker-clean && \
    apt-get update && apt-get install -y --no-install-recommends \
        ccache cmake g++-14 git libboost-dev ninja-build pkg-config python3
ENV CC=gcc-14 CXX=g++-14 CCACHE_DIR=/ccache

FROM toolchain AS deps
WORKDIR /deps
ADD --checksum=sha256:24454f830cdb571e2c4ad15481119c43b3cafd48dd869a9b2945d1036d1dc68d \
    https://example.org/fmt-11.0.2.tar.gz fmt.tar.gz
RUN tar xzf fmt.tar.gz --strip-components=1 \
 && cmake -S . -B build -G Ninja -DCMAKE_BUILD_TYPE=Release -DFMT_TEST=OFF \
 && cmake --build build --target install

FROM deps AS build
ARG BUILD_TYPE=Release
ARG JOBS
WORKDIR /src
COPY CMakeLists.txt ./
COPY cmake/ cmake/
COPY include/ include/
COPY src/ src/
RUN --mount=type=cache,target=/ccache <<'SH'
set -eu
cmake -S /src -B /build -G Ninja \
    -DCMAKE_BUILD_TYPE="$BUILD_TYPE" \
    -DCMAKE_CXX_COMPILER_LAUNCHER=ccache \
    -DCMAKE_INSTALL_PREFIX=/usr/local
cmake --build /build --parallel "${JOBS:-$(nproc)}"
DESTDIR=/out cmake --install /build --strip
ccache --show-stats
SH

FROM build AS test
COPY tests/ tests/
RUN cmake -S /src -B /build -DBUILD_TESTING=ON && cmake --build /build && ctest --test-dir /build --output-on-failure

FROM ubuntu:24.04
COPY --from=build /out/ /
RUN ldconfig
USER ubuntu
CMD ["simulate", "--threads=0"]
