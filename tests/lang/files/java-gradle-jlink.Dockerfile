FROM gradle:8.10-jdk21-alpine AS build
USER gradle
WORKDIR /home/gradle/project
COPY --chown=gradle:gradle settings.gradle.kts build.gradle.kts gradle.properties ./
COPY --chown=gradle:gradle gradle/ gradle/
RUN gradle --no-daemon dependencies > /dev/null 2>&1 || true
COPY --chown=gradle:gradle . .
RUN gradle --no-daemon installDist -x test

FROM eclipse-temurin:21-jdk-alpine AS runtime
RUN apk add --no-cache binutils
RUN $JAVA_HOME/bin/jlink \
         --verbose \
         --add-modules java.base,java.logging,java.naming,java.net.http,java.sql \
         --strip-debug \
         --no-man-pages \
         --no-header-files \
         --compress=zip-6 \
         --output /customjre

FROM alpine:3.20
ENV JAVA_HOME=/opt/jre
ENV PATH="${JAVA_HOME}/bin:${PATH}"
COPY --from=runtime /customjre $JAVA_HOME
COPY --from=build /home/gradle/project/build/install/tool /opt/tool
RUN addgroup -S tool && adduser -S tool -G tool && ln -s /opt/tool/bin/tool /usr/bin/tool
USER tool:tool
ENTRYPOINT ["tool"]
CMD ["--help"]
