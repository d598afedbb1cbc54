FROM base AS php
ENV PHP_INI_DIR /usr/local/etc/php
RUN set -eux; mkdir -p "$PHP_INI_DIR/conf.d"; [ ! -d /var/www/html ]; mkdir -p /var/www/html; chown 33:33 /var/www/html; chmod 1777 /var/www/html
ENV PHP_CFLAGS="-fstack-protector-strong -fpic -fpie -O2 -D_LARGEFILE_SOURCE"
ENV PHP_CPPFLAGS="$PHP_CFLAGS"
ENV PHP_URL="https://www.php.net/distributions/php-8.3.tar.xz" PHP_ASC_URL=""
FROM php
WORKDIR /var/www/html
COPY --chown=33:33 . /var/www/html
COPY --chown=33 scripts scripts2
ADD archive.tar.gz /opt/
RUN find . -name '*.sh' | xargs chmod a+x
CMD ["php-fpm"]
