FROM fedora:41

RUN dnf -y upgrade --refresh && \
    dnf -y install \
      'dnf-command(builddep)' \
      gcc make rpm-build rpmdevtools && \
    dnf clean all

RUN useradd builder && echo 'builder ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/builder
USER builder
WORKDIR /home/builder
RUN rpmdev-setuptree
COPY --chown=builder package.spec rpmbuild/SPECS/
RUN spectool -g -R rpmbuild/SPECS/package.spec
USER root
RUN dnf -y builddep /home/builder/rpmbuild/SPECS/package.spec
USER builder
ENTRYPOINT ["rpmbuild", "-bb", "rpmbuild/SPECS/package.spec"]
