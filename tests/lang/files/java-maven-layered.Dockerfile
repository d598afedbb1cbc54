# Build
FROM maven:3.9-eclipse-temurin-21 AS build
WORKDIR /build
COPY pom.xml .
COPY .mvn .mvn
RUN --mount=type=cache,target=/root/.m2 mvn -B -e dependency:go-offline
COPY src ./src
RUN --mount=type=cache,target=/root/.m2 mvn -B -e -o package -DskipTests \
    && cp target/*.jar app.jar

# Split the fat jar, so that dependencies are a layer of their own
FROM eclipse-temurin:21-jre AS layers
WORKDIR /layers
COPY --from=build /build/app.jar .
RUN java -Djarmode=layertools -jar app.jar extract

FROM eclipse-temurin:21-jre
ARG USER=spring
RUN groupadd -r $USER && useradd -r -g $USER $USER
VOLUME /tmp
WORKDIR /app
COPY --from=layers /layers/dependencies/ ./
COPY --from=layers /layers/spring-boot-loader/ ./
COPY --from=layers /layers/snapshot-dependencies/ ./
COPY --from=layers /layers/application/ ./
USER $USER
ENV JAVA_OPTS="-XX:MaxRAMPercentage=75 -XX:+ExitOnOutOfMemoryError" \
    SPRING_PROFILES_ACTIVE=prod
EXPOSE 8080
HEALTHCHECK --start-period=40s --interval=15s CMD wget -qO- http://localhost:8080/actuator/health | grep -q UP
ENTRYPOINT exec java $JAVA_OPTS org.springframework.boot.loader.launch.JarLauncher
