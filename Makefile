# make demo    builds a web application into an image and serves it
# make test    every test; as root, those from end to end a second time as a user
# make check   format, lint, types, imports
# make bench   Lamina beside its peers
#
# Each sets up what it needs on a fresh Debian: a virtual environment in .venv, and
# as root the packages below through apt-get. Nothing comes from anywhere else.

SHELL := /bin/bash
PYTHON ?= /usr/bin/python3
VENV := .venv
BIN := $(VENV)/bin

# python3-venv   the virtual environment
# mmdebstrap     base images from packages (FROM bootstrap:...)
# passt          the network of an ordinary user's containers
# uidmap         an ordinary user's ranges of ids (newuidmap)
RUN_PACKAGES := python3-venv mmdebstrap passt uidmap
# The tests exchange images with real programs, and need a static one to run:
# docker.io podman skopeo buildah, runc and crun, busybox-static; gcc for a static C
# program; git and iproute2 to make what is tested; docker-registry to pull from and
# push to, openssl for its certificates; chromium for the report's page; zsh and fish
# to complete in; systemd and dbus, started in namespaces, and user-mode-linux with a disk
# of e2fsprogs, a whole machine as a process: cgroups as systemd has them.
TEST_PACKAGES := docker.io podman skopeo buildah runc crun busybox-static gcc \
	libc6-dev git iproute2 iptables nftables docker-registry openssl chromium \
	qemu-user-static slirp4netns fuse-overlayfs zsh fish \
	systemd dbus procps user-mode-linux e2fsprogs

.PHONY: demo test check bench format setup setup-tests

demo: setup
	@$(BIN)/python samples/demo.py

test: setup-tests
	@tests/with-peers tests/side-by-side $(BIN)/python
	@[ $$(id -u) -ne 0 ] || tests/as-user tests/side-by-side $(BIN)/python tests/end_to_end

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup-tests
	@tests/with-peers $(BIN)/python -m tests.benchmarks.bench $(ARGS)

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

setup: $(VENV)/.ready

setup-tests: setup
	@tests/install-packages $(TEST_PACKAGES)

$(VENV)/.ready: pyproject.toml
	@tests/install-packages $(RUN_PACKAGES)
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --upgrade "pip>=25.1"
	@$(BIN)/python -m pip install -q -e . --group dev --config-settings editable_mode=compat
	@touch $@
