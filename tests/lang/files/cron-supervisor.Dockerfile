FROM debian:bookworm-slim
MAINTAINER operations@example.org

RUN apt-get update && apt-get install -y --no-install-recommends \
        cron \
        logrotate \
        supervisor \
        rsync \
    && rm -rf /var/lib/apt/lists/*

COPY <<'CRON' /etc/cron.d/backup
# m h dom mon dow user command
SHELL=/bin/sh
*/15 * * * * root /usr/local/bin/backup >> /proc/1/fd/1 2>&1
0 4 * * 0 root /usr/sbin/logrotate /etc/logrotate.conf
CRON

COPY <<-SUPERVISOR <<-"LOGROTATE" /etc/supervisor/conf.d/
	[supervisord]
	nodaemon=true
	user=root

	[program:cron]
	command=/usr/sbin/cron -f -L 15
	autorestart=true
	stdout_logfile=/dev/stdout
	stdout_logfile_maxbytes=0
	SUPERVISOR
	/var/log/*.log {
	    weekly
	    rotate ${ROTATIONS}
	}
	LOGROTATE

COPY --chmod=755 backup.sh /usr/local/bin/backup
RUN chmod 0644 /etc/cron.d/backup && crontab -l 2>/dev/null || true
VOLUME /var/backups
STOPSIGNAL SIGTERM
CMD ["/usr/bin/supervisord", "-c", "/etc/supervisor/supervisord.conf"]
