FROM quay.io/centos/centos:stream9
ARG ANSIBLE_CORE=2.17.*
# One long command, as it grows over the years
RUN dnf install -y epel-release && dnf install -y \
  bubblewrap \
  glibc-langpack-en \
  openssh-clients \
  podman \
  python3.11-pip \
  rsync \
# from EPEL
  sshpass \

# not in the distribution's version
  && python3.11 -m pip install --no-cache-dir "ansible-core==${ANSIBLE_CORE}" ansible-runner dumb-init \
  && dnf clean all && rm -rf /var/cache/dnf
RUN for dir in \
      /home/runner \
      /home/runner/.ansible \
      /runner ; \
    do mkdir -m 0775 -p $dir ; chmod -R g+rwx $dir ; done && \
    echo -e "%wheel\tALL=(ALL)\tNOPASSWD: ALL" >> /etc/sudoers
VOLUME /runner
WORKDIR /runner
ENV HOME=/home/runner
USER 1000
ENTRYPOINT ["dumb-init"]
CMD ["ansible-runner", "run", "/runner"]
