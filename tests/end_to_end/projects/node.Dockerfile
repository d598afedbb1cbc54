FROM base AS deps
WORKDIR /app
COPY package.json package-lock.json* ./
RUN mkdir -p node_modules/.bin node_modules/left-pad && echo 'x' > node_modules/left-pad/index.js \
 && ln -s ../left-pad/index.js node_modules/.bin/left-pad
FROM deps AS builder
COPY . .
ENV NEXT_TELEMETRY_DISABLED 1
ENV NODE_ENV=production \
    PORT=3000
RUN mkdir -p .next/static .next/standalone && cp -r src/* .next/static/ && echo "server $PORT" > .next/standalone/server.js
FROM base AS runner
WORKDIR /app
ENV NODE_ENV production
RUN echo nodejs:x:1001: >> /etc/group
RUN echo nextjs:x:1001:1001::/:/bin/sh >> /etc/passwd
COPY --from=builder /app/public ./public
RUN mkdir .next
RUN chown nextjs:nodejs .next
COPY --from=builder --chown=nextjs:nodejs /app/.next/standalone ./
COPY --from=builder --chown=1001:nodejs /app/.next/static ./.next/static
COPY --from=deps /app/node_modules ./node_modules
USER nextjs
ENV PORT 3000
ENV HOSTNAME "0.0.0.0"
CMD node server.js
