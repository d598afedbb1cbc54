FROM base
RUN set -eux; \
	echo postgres:x:999: >> /etc/group; \
	echo postgres:x:999:999::/var/lib/postgresql:/bin/sh >> /etc/passwd; \
# also create the postgres user's home directory with appropriate permissions
	mkdir -p /var/lib/postgresql; \
	chown -R postgres:postgres /var/lib/postgresql
ENV GOSU_VERSION 1.17
ENV LANG en_US.utf8
RUN mkdir /docker-entrypoint-initdb.d
ENV PG_MAJOR 16
ENV PATH $PATH:/usr/lib/postgresql/$PG_MAJOR/bin
RUN mkdir -p /var/run/postgresql && chown -R postgres:postgres /var/run/postgresql && chmod 3777 /var/run/postgresql
ENV PGDATA /var/lib/postgresql/data
# this 1777 will be replaced by 0700 at runtime (allows semi-arbitrary "--user" values)
RUN install -d -o postgres -g postgres -m 1777 "$PGDATA" 2>/dev/null || { mkdir -p "$PGDATA" && chown -R postgres:postgres "$PGDATA" && chmod 1777 "$PGDATA"; }
VOLUME /var/lib/postgresql/data
COPY scripts/build.sh docker-ensure-initdb.sh* /usr/local/bin/
RUN ln -sT build.sh /usr/local/bin/docker-enforce-initdb.sh || ln -s build.sh /usr/local/bin/docker-enforce-initdb.sh
ENTRYPOINT ["docker-entrypoint.sh"]
STOPSIGNAL SIGINT
EXPOSE 5432
CMD ["postgres"]
