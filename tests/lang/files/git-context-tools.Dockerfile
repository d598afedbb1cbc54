# syntax=docker/dockerfile:1
FROM scratch AS sources
ADD --keep-git-dir=true https://github.com/example/engine.git#main:src /engine
ADD --link --chown=1000:1000 https://example.org/data-2024.tar.zst /data/
ADD --unpack=true https://example.org/models.tar.gz /models/
ADD vendor.tar.xz /vendor/
FROM debian:bookworm-slim AS base
COPY --link --from=sources /engine /engine
COPY --parents src/*/include/**/*.h tools/./lib/*.py /sdk/
COPY --exclude=.git --exclude=**/node_modules --exclude=!keep . /project
WORKDIR /project/build
WORKDIR ../out
RUN --device=vendor.example/gpu=all true
