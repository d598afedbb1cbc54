# syntax=docker/dockerfile:1
# A Django site with gunicorn; wheels are built apart so that the compiler stays behind.
ARG PYTHON_VERSION=3.12
ARG DEBIAN=bookworm

FROM python:${PYTHON_VERSION}-slim-${DEBIAN} AS base
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /srv/site

FROM base AS wheels
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
        build-essential \
        # psycopg is built from source
        libpq-dev \
        # images in the CMS
        libjpeg62-turbo-dev zlib1g-dev \
 && rm -rf /var/lib/apt/lists/*
COPY requirements.txt requirements-prod.txt ./
RUN --mount=type=cache,target=/root/.cache/pip \
    PIP_NO_CACHE_DIR=0 pip wheel --wheel-dir /wheels \
        -r requirements.txt -r requirements-prod.txt

FROM node:20-alpine AS assets
WORKDIR /src
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY assets/ assets/
COPY webpack.config.js ./
RUN npm run build

FROM base AS final
RUN apt-get update \
 && apt-get install -y --no-install-recommends libpq5 libjpeg62-turbo \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --system --gid 10001 site \
 && useradd --system --uid 10001 --gid site --home-dir /srv/site site
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    pip install --no-index --find-links=/wheels /wheels/*.whl
COPY --chown=site:site . .
COPY --from=assets --chown=site:site /src/static/dist static/dist
ARG GIT_COMMIT=unknown
ENV GIT_COMMIT=$GIT_COMMIT \
    DJANGO_SETTINGS_MODULE=site.settings.production
RUN SECRET_KEY=build-only python manage.py collectstatic --noinput \
 && python -m compileall -q site
USER site
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=3s --start-period=10s --retries=3 \
    CMD python -c "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz')"
ENTRYPOINT ["/srv/site/docker-entrypoint.sh"]
CMD ["gunicorn", "site.wsgi:application", "--bind", "0.0.0.0:8000", "--workers", "4"]
