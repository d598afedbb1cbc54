# A base for all our Node services: the project only needs `FROM team/node-onbuild`.
FROM node:22-slim
RUN mkdir -p /usr/src/app && corepack enable
WORKDIR /usr/src/app

ONBUILD ARG NODE_ENV=production
ONBUILD ENV NODE_ENV=$NODE_ENV
ONBUILD COPY package.json package-lock.json* ./
ONBUILD RUN --mount=type=cache,target=/root/.npm \
            npm ci && npm cache verify
ONBUILD COPY . .
ONBUILD RUN <<EOF
if [ -f tsconfig.json ]; then
  npx tsc --build
fi
EOF
ONBUILD HEALTHCHECK --interval=1m CMD ["node", "-e", "require('./health')"]
ONBUILD USER node
ONBUILD LABEL built-from="node-onbuild"
CMD ["npm", "start"]
