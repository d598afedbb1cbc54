# syntax=docker/dockerfile:1
FROM nginx:1.27-alpine
# Edited with Notepad.
RUN rm -rf /usr/share/nginx/html/* && \
    rm /etc/nginx/conf.d/default.conf
COPY site/ /usr/share/nginx/html/
COPY <<CONF /etc/nginx/conf.d/site.conf
server {
    listen 80;
    location / { try_files \$uri /index.html; }
}
CONF
EXPOSE 80
