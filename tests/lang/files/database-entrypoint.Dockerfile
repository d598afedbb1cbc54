# A PostgreSQL with extensions, and the scripts that set it up on its first start.
FROM postgres:16-bookworm AS build
RUN set -eux; \
	apt-get update; \
	apt-get install -y --no-install-recommends \
		build-essential \
		postgresql-server-dev-16 \
	; \
	rm -rf /var/lib/apt/lists/*
ADD https://github.com/pgvector/pgvector.git#v0.8.0 /usr/src/pgvector
RUN cd /usr/src/pgvector && make OPTFLAGS="" && make install DESTDIR=/out

FROM postgres:16-bookworm
# explicitly set user/group IDs
RUN set -eux; \
	groupmod -g 1999 postgres; \
	usermod -u 1999 -g 1999 postgres; \
	install --verbose --directory --owner postgres --group postgres --mode 3777 /var/run/postgresql
COPY --from=build /out/ /
ENV PGDATA=/var/lib/postgresql/16/data \
    POSTGRES_INITDB_ARGS="--data-checksums --encoding=UTF8 --locale=C" \
    POSTGRES_DB=app
VOLUME $PGDATA
COPY --chmod=0755 initdb.d/ /docker-entrypoint-initdb.d/
COPY <<EOF /docker-entrypoint-initdb.d/00-extensions.sql
CREATE EXTENSION IF NOT EXISTS vector;
CREATE EXTENSION IF NOT EXISTS pg_stat_statements;
ALTER DATABASE "$POSTGRES_DB" SET work_mem = '64MB';
DO \$\$ BEGIN RAISE NOTICE 'extensions are there'; END \$\$;
EOF
COPY postgresql.conf /etc/postgresql/postgresql.conf
# https://www.postgresql.org/docs/current/server-shutdown.html : fast shutdown
STOPSIGNAL SIGINT
EXPOSE 5432
HEALTHCHECK --interval=10s --timeout=5s --retries=5 CMD pg_isready -U "${POSTGRES_USER:-postgres}" -d "$POSTGRES_DB" || exit 1
CMD ["postgres", "-c", "config_file=/etc/postgresql/postgresql.conf"]
