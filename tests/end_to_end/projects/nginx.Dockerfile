FROM base
LABEL maintainer="Docker Maintainers <docker-maint@docker.com>"
ENV NGINX_VERSION   1.27.0
ENV PKG_RELEASE     1~bookworm
RUN set -x \
# create nginx user/group first, to be consistent throughout docker variants
    && echo nginx:x:102: >> /etc/group \
    && echo nginx:x:103:102:nginx:/nonexistent:/bin/false >> /etc/passwd \
    && case "$(uname -s)" in \
        Linux) \
# arches officially built by upstream
            echo "$NGINX_VERSION-${PKG_RELEASE}" > /version \
            ;; \
        *) \
            exit 1 \
            ;; \
    esac \
    && mkdir -p /var/log/nginx /docker-entrypoint.d \
# forward request and error logs to docker log collector
    && ln -sf /dev/stdout /var/log/nginx/access.log \
    && ln -sf /dev/stderr /var/log/nginx/error.log \
    && rm -rf /tmp/x
COPY scripts/build.sh /
COPY scripts/*.sh src/a.txt /docker-entrypoint.d/
ENTRYPOINT ["/docker-entrypoint.sh"]
EXPOSE 80
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
