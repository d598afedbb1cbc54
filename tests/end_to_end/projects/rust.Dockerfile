ARG APP_NAME=tool
FROM base AS chef
WORKDIR app
FROM chef AS planner
COPY . .
RUN cat Cargo.toml > recipe.json
FROM chef AS builder
ARG APP_NAME
COPY --from=planner /app/recipe.json recipe.json
RUN mkdir -p target/release && cp recipe.json target/deps
COPY Cargo.toml ./
ADD src src/
RUN cat src/*.txt > target/release/$APP_NAME && chmod 4755 target/release/$APP_NAME
FROM scratch AS runtime
ARG APP_NAME=other
ENV APP=$APP_NAME
WORKDIR /app
COPY --from=builder /app/target/release/tool /usr/local/bin/
COPY --from=builder /app/target/release/tool /usr/local/bin/twin
VOLUME ["/data", "/var/log"]
STOPSIGNAL SIGINT
ENTRYPOINT ["/usr/local/bin/tool"]
