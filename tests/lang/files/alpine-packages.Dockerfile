FROM alpine:3.20.3
RUN apk add --no-cache --virtual .fetch \
		curl=~8.11 \
		gnupg=~2.4 \
	&& curl -fsSLO https://example.org/tool-1.4.2.tar.gz \
	&& curl -fsSLO https://example.org/tool-1.4.2.tar.gz.asc \
	&& export GNUPGHOME="$(mktemp -d)" \
	&& for key in \
		94AE36675C464D64BAFA68DD7434390BDBE9B9C5 \
		71DCFD284A79C3B38668286BC97EC7A44666A2B0 \
	; do \
		gpg --batch --keyserver hkps://keys.openpgp.org --recv-keys "$key" || \
		gpg --batch --keyserver keyserver.ubuntu.com --recv-keys "$key" ; \
	done \
	&& gpg --batch --verify tool-1.4.2.tar.gz.asc tool-1.4.2.tar.gz \
	&& tar -xzf tool-1.4.2.tar.gz -C /usr/local --strip-components=1 --no-same-owner \
	&& gpgconf --kill all \
	&& rm -rf "$GNUPGHOME" tool-1.4.2.tar.gz* \
	&& apk del .fetch
ENTRYPOINT ["/usr/local/bin/tool"]
