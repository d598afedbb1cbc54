FROM node:22.11-bookworm-slim AS deps
WORKDIR /app
COPY package*.json ./
RUN npm ci --omit=dev && npm cache clean --force

FROM node:22.11-bookworm-slim AS test
WORKDIR /app
COPY package*.json ./
RUN npm ci
COPY . .
RUN npm run lint && npm test

FROM node:22.11-bookworm-slim
ENV NODE_ENV production
ENV PORT 3000
WORKDIR /app
COPY --from=deps /app/node_modules ./node_modules
COPY . .
RUN rm -rf test .github
USER node
EXPOSE $PORT
HEALTHCHECK CMD ["node", "healthcheck.js"]
CMD node --enable-source-maps server.js
