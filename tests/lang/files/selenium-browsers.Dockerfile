ARG CHROME="google-chrome-stable"
FROM ubuntu:jammy
ARG CHROME
LABEL authors="QA"
USER root
RUN  echo "deb http://archive.ubuntu.com/ubuntu jammy main universe\n" > /etc/apt/sources.list \
  && echo "deb http://security.ubuntu.com/ubuntu jammy-security main universe\n" >> /etc/apt/sources.list
ENV DEBIAN_FRONTEND=noninteractive \
    DEBCONF_NONINTERACTIVE_SEEN=true
RUN wget -q -O - https://dl.example.org/linux/linux_signing_key.pub | gpg --dearmor | tee /etc/apt/trusted.gpg.d/browser.gpg >/dev/null \
  && apt-get update -qqy \
  && if echo "${CHROME}" | grep -qE "google-chrome-stable[_|=][0-9]*"; \
    then \
      CHROME=$(echo "$CHROME" | tr '=' '_') && \
      wget -qO chrome.deb "https://dl.example.org/deb/pool/main/g/google-chrome-stable/${CHROME}_amd64.deb"; \
    else \
      apt-get -qqy --no-install-recommends install ${CHROME:-google-chrome-stable}; \
    fi \
  && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
ENV TZ="UTC"
ENV SEL_USER=seluser SEL_UID=1200
ENV HOME=/home/${SEL_USER}
ENV SE_BIND_HOST=false \
# Boolean values, maps to "--relax-checks"
    SE_RELAX_CHECKS=true \
# Path to the recordings
    SE_VIDEO_FOLDER="/videos"
USER ${SEL_UID}:${SEL_GID:-1201}
CMD ["/opt/bin/entry_point.sh"]
