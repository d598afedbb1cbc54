FROM scratch
LABEL org.opencontainers.image.created="2026-01-02T03:04:05Z" \
      org.opencontainers.image.authors="First Person <first@example.org>, Second Person <second@example.org>" \
      org.opencontainers.image.url="https://example.org/product?a=1&b=2#top" \
      org.opencontainers.image.documentation="https://docs.example.org" \
      org.opencontainers.image.source="https://github.com/example/product" \
      org.opencontainers.image.version="1.2.3-rc.4+build.5" \
      org.opencontainers.image.revision="0123456789abcdef0123456789abcdef01234567" \
      org.opencontainers.image.vendor='Example "Quoted" GmbH' \
      org.opencontainers.image.licenses="Apache-2.0 AND (MIT OR GPL-2.0-only)" \
      org.opencontainers.image.ref.name="product" \
      org.opencontainers.image.title="Product" \
      org.opencontainers.image.description="A product. \
It does this, \
and that; it costs \$5." \
      com.example.compose='{"services": {"web": {"ports": ["80:80"], "env": {"A": "b"}}}}' \
      com.example.multi.word.key="x" \
      "com.example.quoted key"="spaces allowed" \
      com.example.empty="" \
      com.example.equals="a=b=c" \
      com.example.backslash="C:\\Program Files\\x" \
      com.example.unicode="日本語 – Grüße ☃"
LABEL one=1
LABEL two=2 three=3 one=again
LABEL "legacy"="not legacy"
LABEL maintainer First Person <first@example.org>
