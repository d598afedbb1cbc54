FROM base AS parent
ONBUILD ARG EXTRA=none
ONBUILD COPY package.json /usr/src/app/
ONBUILD RUN echo "$EXTRA" > /usr/src/app/extra
ONBUILD COPY . /usr/src/app
ONBUILD USER 1000:1000
ONBUILD ENV LATE=$EXTRA
FROM parent
WORKDIR /usr/src/app
COPY src/a.txt ./b/c/
CMD [ "npm", "start" ]
