ARG PHP_VERSION=8.3

FROM composer:2 AS vendor
WORKDIR /app
COPY composer.json composer.lock ./
RUN composer install --no-dev --no-scripts --no-interaction --prefer-dist --ignore-platform-reqs

FROM node:20-alpine AS front
WORKDIR /app
COPY package.json package-lock.json vite.config.js ./
RUN npm ci
COPY resources resources
RUN npm run build

FROM php:${PHP_VERSION}-fpm-alpine AS fpm
RUN set -eux; \
    apk add --no-cache --virtual .build-deps $PHPIZE_DEPS icu-dev libzip-dev oniguruma-dev; \
    docker-php-ext-configure intl; \
    docker-php-ext-install -j"$(nproc)" intl opcache pdo_mysql zip; \
    pecl install redis-6.1.0; \
    docker-php-ext-enable redis; \
    runDeps="$( \
        scanelf --needed --nobanner --format '%n#p' --recursive /usr/local/lib/php/extensions \
            | tr ',' '\n' \
            | sort -u \
            | awk 'system("[ -e /usr/local/lib/" $1 " ]") == 0 { next } { print "so:" $1 }' \
    )"; \
    apk add --no-cache --virtual .phpexts-rundeps $runDeps; \
    apk del --no-network .build-deps
COPY <<-"INI" /usr/local/etc/php/conf.d/app.ini
	expose_php = Off
	memory_limit = ${PHP_MEMORY_LIMIT}
	opcache.validate_timestamps = 0
	INI
ENV PHP_MEMORY_LIMIT=256M
WORKDIR /var/www/html
COPY --from=vendor /app/vendor vendor
COPY --from=front /app/public/build public/build
COPY . .
RUN composer_dump() { php -d memory_limit=-1 artisan package:discover; } && composer_dump \
 && chown -R www-data:www-data storage bootstrap/cache
USER www-data

FROM nginx:1.27-alpine AS web
COPY docker/nginx.conf /etc/nginx/conf.d/default.conf
COPY --from=fpm /var/www/html/public /var/www/html/public
