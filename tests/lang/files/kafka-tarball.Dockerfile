FROM eclipse-temurin:17-jre-jammy
ARG KAFKA_VERSION=3.8.1
ARG SCALA_VERSION=2.13
ARG MIRROR=https://downloads.example.org
ENV KAFKA_HOME=/opt/kafka
ENV PATH=${KAFKA_HOME}/bin:${PATH} \
    LOG_DIR=/var/log/kafka \
    KAFKA_OPTS="-Djava.security.manager=allow \
-Dlog4j2.formatMsgNoLookups=true"

SHELL ["/bin/bash", "-o", "pipefail", "-c"]
RUN name="kafka_${SCALA_VERSION}-${KAFKA_VERSION}"; \
    curl -fsSL "$MIRROR/kafka/$KAFKA_VERSION/$name.tgz" | tar -xz -C /opt && \
    ln -s "/opt/$name" "$KAFKA_HOME" && \
    [[ -x "$KAFKA_HOME/bin/kafka-server-start.sh" ]]
RUN useradd --system --uid 501 kafka && install -d -o kafka -g kafka /var/lib/kafka $LOG_DIR
COPY --chown=kafka:kafka ["config/server.properties", "config/log4j.properties", "/opt/kafka/config/"]
USER kafka:kafka
VOLUME /var/lib/kafka $LOG_DIR
EXPOSE 9092 9093-9095 9999/tcp
CMD ["kafka-server-start.sh", "/opt/kafka/config/server.properties"]
