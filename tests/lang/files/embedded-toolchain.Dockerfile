FROM ubuntu:22.04 AS download
RUN apt-get update && apt-get install -y ca-certificates curl xz-utils
ARG TOOLCHAIN=13.3.rel1
ARG HOST
RUN HOST=${HOST:-$(uname -m)} && \
    curl -L "https://developer.example.com/gnu/$TOOLCHAIN/arm-gnu-toolchain-$TOOLCHAIN-$HOST-arm-none-eabi.tar.xz" \
    | tar -xJ -C /opt --strip-components=1
FROM ubuntu:22.04
COPY --from=0 /opt /opt
ENV PATH="/opt/bin:$PATH"
RUN apt-get update && apt-get install -y cmake make ninja-build stlink-tools && rm -rf /var/lib/apt/lists/*
RUN ["/opt/bin/arm-none-eabi-gcc", "--version"]
RUN [ "$(arm-none-eabi-gcc -dumpversion)" != "" ]
WORKDIR /firmware
ENTRYPOINT ["/bin/bash", "-c", "cmake -S . -B build -G Ninja && exec ninja -C build \"$@\"", "--"]
