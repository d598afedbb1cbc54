"""The instructions, and what UNSET takes back."""

from __future__ import annotations

from lamina.lang.assist.reference.entry import Entry

INSTRUCTIONS = {
    "FROM": Entry(
        "FROM [--platform=PLATFORM] IMAGE|STAGE|scratch [AS NAME]",
        "Starts a stage on a base: an image, an earlier stage, or `scratch`, which is "
        "empty. Of all stages only those that the target needs are built. Only ARGs "
        "above the first FROM expand here.",
    ),
    "ARG": Entry(
        "ARG NAME[=DEFAULT] ...",
        "A variable that `--build-arg NAME=value` sets. It holds from its line to the "
        "end of the stage, and is in the environment of RUN, but not in the image. "
        "Above the first FROM it is for FROM, and for stages that repeat `ARG NAME`.",
    ),
    "ENV": Entry(
        "ENV KEY=VALUE ...",
        "Sets environment variables: for the instructions below, for stages on top "
        "and for containers of the image. All values expand in the environment "
        "before the line.",
    ),
    "LABEL": Entry(
        "LABEL KEY=VALUE ...",
        "Metadata of the image. Common keys are "
        "`org.opencontainers.image.source`, `.licenses`, `.description`.",
    ),
    "RUN": Entry(
        'RUN [FLAGS] COMMAND  |  RUN ["PROGRAM", "ARGUMENT"]  |  RUN <<EOF',
        "Runs a command and keeps what it changed as a layer. Text goes to the shell; "
        "a JSON array runs without one. `$NAME` is the shell's, not expanded here.",
    ),
    "COPY": Entry(
        "COPY [FLAGS] SOURCE ... DESTINATION",
        "Copies files of the context, or with `--from` of a stage or image. Of a "
        "folder its contents are copied. Several sources need a destination that "
        "ends with a slash. A heredoc as a source is a file.",
    ),
    "ADD": Entry(
        "ADD [FLAGS] SOURCE ... DESTINATION",
        "Like COPY, and unpacks local archives, fetches URLs and clones Git "
        "repositories. Prefer COPY where none of that is meant.",
    ),
    "WORKDIR": Entry(
        "WORKDIR PATH",
        "The working directory of the instructions below and of containers; made if "
        "it is missing. A relative path goes on from the last one.",
    ),
    "USER": Entry(
        "USER NAME[:GROUP]",
        "Who runs RUN below, and the container's program. Names are looked up in the "
        "image's `/etc/passwd`, numbers need not be there.",
    ),
    "STOPSIGNAL": Entry(
        "STOPSIGNAL SIGNAL",
        "The signal that asks a container to stop: a name or a number. The default "
        "is SIGTERM.",
    ),
    "CMD": Entry(
        'CMD ["PROGRAM", "ARGUMENT"]  |  CMD COMMAND',
        "What a container runs when it is not told; with an ENTRYPOINT, its "
        "arguments. Of several, the last one counts. `CMD []` takes it back.",
    ),
    "ENTRYPOINT": Entry(
        'ENTRYPOINT ["PROGRAM", "ARGUMENT"]  |  ENTRYPOINT COMMAND',
        "The program of the container; CMD or the arguments of `run` are appended. "
        "It drops the CMD of the base. In the shell form there are no arguments, and "
        "the shell keeps signals to itself.",
    ),
    "SHELL": Entry(
        'SHELL ["PROGRAM", "ARGUMENT"]',
        "What the shell form of RUN, CMD and ENTRYPOINT below goes to. The default "
        'is `["/bin/sh", "-c"]`.',
    ),
    "EXPOSE": Entry(
        "EXPOSE PORT[-END][/tcp|/udp|/sctp] ...",
        "Ports that the program listens on. It says so and opens nothing: "
        "`run --publish` does.",
    ),
    "VOLUME": Entry(
        'VOLUME PATH ...  |  VOLUME ["PATH"]',
        "Folders that get a volume of their own in each container.",
    ),
    "HEALTHCHECK": Entry(
        "HEALTHCHECK [FLAGS] CMD COMMAND  |  HEALTHCHECK NONE",
        "A command that says whether the container is well: 0 yes, 1 no. NONE takes "
        "back that of the base.",
    ),
    "ONBUILD": Entry(
        "ONBUILD INSTRUCTION",
        "Kept in the image, and carried out by the builds that start FROM it.",
    ),
    "MAINTAINER": Entry(
        "MAINTAINER NAME",
        "Deprecated. Write `LABEL org.opencontainers.image.authors=...`.",
    ),
    "TEST": Entry(
        "TEST [--mount=...] COMMAND",
        "Runs a command against what was built so far. It makes no layer and runs "
        "beside what follows; the build fails when it fails. `--skip-tests` leaves "
        "it out.",
    ),
    "UNSET": Entry(
        "UNSET ENV|LABEL|EXPOSE|VOLUME|ENTRYPOINT|CMD|USER|HEALTHCHECK|STOPSIGNAL "
        "[NAME ...]",
        "Takes back what the base or the lines above set: all of it, or of ENV, "
        "LABEL, EXPOSE and VOLUME those that are named.",
    ),
}

# What UNSET takes back.
UNSETTABLE = {
    "ENV": "Environment variables: all, or those named.",
    "LABEL": "Labels: all, or those named.",
    "EXPOSE": "Ports: all, or those named.",
    "VOLUME": "Volumes: all, or those named.",
    "ENTRYPOINT": "The entry point.",
    "CMD": "The command.",
    "USER": "The user: it is root again.",
    "HEALTHCHECK": "The health check.",
    "STOPSIGNAL": "The stop signal: it is SIGTERM again.",
}
