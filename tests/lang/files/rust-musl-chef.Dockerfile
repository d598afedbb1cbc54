FROM lukemathwalker/cargo-chef:0.1.68-rust-1.82-alpine3.20 AS chef
WORKDIR /work
RUN apk add --no-cache musl-dev pkgconf openssl-dev openssl-libs-static protoc

FROM chef AS planner
COPY . .
RUN cargo chef prepare --recipe-path recipe.json

FROM chef AS builder
COPY --from=planner /work/recipe.json recipe.json
# Build dependencies - this is the caching layer!
RUN cargo chef cook --release --target x86_64-unknown-linux-musl --recipe-path recipe.json
COPY . .
ENV SQLX_OFFLINE=true RUSTFLAGS='-C target-feature=+crt-static -C link-arg=-s'
RUN cargo build --release --target x86_64-unknown-linux-musl --bin gateway

FROM gcr.io/distroless/static-debian12:nonroot@sha256:24454f830cdb571e2c4ad15481119c43b3cafd48dd869a9b2945d1036d1dc68d
COPY --from=builder /work/target/x86_64-unknown-linux-musl/release/gateway /
COPY --chmod=0444 config/default.toml /etc/gateway/config.toml
EXPOSE 8443
ENTRYPOINT ["/gateway"]
CMD ["--config", "/etc/gateway/config.toml"]
