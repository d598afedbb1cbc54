ARG NGINX_VERSION=1.27.2
FROM nginx:$NGINX_VERSION-alpine AS builder
# the global ARG has to be asked for
ARG NGINX_VERSION
RUN apk add --no-cache build-base git linux-headers openssl-dev pcre2-dev zlib-dev brotli-dev
RUN wget -qO- https://nginx.example.org/download/nginx-${NGINX_VERSION}.tar.gz | tar xz -C /usr/src \
 && git clone --depth=1 --recursive https://github.com/google/ngx_brotli /usr/src/ngx_brotli \
 && cd /usr/src/nginx-${NGINX_VERSION} \
 && CONFARGS=$(nginx -V 2>&1 | sed -n -e 's/^.*arguments: //p') \
 && eval ./configure --with-compat $CONFARGS --add-dynamic-module=../ngx_brotli \
 && make modules
FROM nginx:$NGINX_VERSION-alpine
ARG NGINX_VERSION
COPY --from=builder /usr/src/nginx-${NGINX_VERSION}/objs/*.so /usr/lib/nginx/modules/
COPY --chown=nginx:nginx --exclude=**/*.map dist/ /usr/share/nginx/html/
COPY nginx.conf.template /etc/nginx/templates/default.conf.template
ENV NGINX_ENVSUBST_OUTPUT_DIR=/etc/nginx/conf.d API_UPSTREAM=http://api:8080
EXPOSE 80
EXPOSE 443
STOPSIGNAL SIGQUIT
HEALTHCHECK --interval=15s --timeout=2s CMD curl -fs http://localhost/ || exit 1
