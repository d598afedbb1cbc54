ARG SUITE=bookworm
FROM debian:${SUITE} AS build
ARG SUITE
ENV DEBIAN_FRONTEND=noninteractive DEB_BUILD_OPTIONS="nocheck parallel=4"
RUN sed -i 's/^Types: deb$/Types: deb deb-src/' /etc/apt/sources.list.d/debian.sources \
    && apt-get update \
    && apt-get install -y --no-install-recommends build-essential devscripts equivs
WORKDIR /build/pkg
COPY debian/control debian/control
RUN mk-build-deps --install --remove --tool='apt-get -y --no-install-recommends' debian/control
COPY . .
RUN dch --local "~${SUITE}+" --distribution "$SUITE" "Rebuild for $SUITE." \
    && dpkg-buildpackage -us -uc -b
FROM scratch AS packages
COPY --from=build /build/*.deb /
