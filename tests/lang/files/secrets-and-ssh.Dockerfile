# syntax=docker/dockerfile:1.10
FROM alpine:3.20 AS fetch
RUN apk add --no-cache git openssh-client
RUN mkdir -p -m 0700 ~/.ssh && ssh-keyscan github.com >> ~/.ssh/known_hosts
RUN --mount=type=ssh,id=github git clone --depth=1 git@github.com:example/internal.git /src
RUN --mount=type=ssh,required=true,uid=1000,mode=0600 ssh -T git@github.com || [ $? -eq 1 ]

FROM python:3.12-slim
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf,required \
    --mount=type=secret,id=netrc,target=/root/.netrc,mode=0600 \
    pip install --no-cache-dir internal-package==4.2
RUN --mount=type=secret,id=token,env=API_TOKEN \
    --mount=type=tmpfs,target=/scratch,size=64m \
    <<EOF
#!/usr/bin/env bash
set -euo pipefail
curl --fail --header "Authorization: Bearer $API_TOKEN" https://api.example.org/model > /scratch/model
install -D -m 0444 /scratch/model /srv/model
EOF
COPY --from=fetch /src /src
RUN --network=none python -m compileall /src
RUN --security=sandbox --network=default true
CMD ["python", "/src/main.py"]
