"""The language in short: what an editor shows of each word of it.

Completion and hover read these tables; a test compares them with those that the
parser has, so that no instruction, flag, mount field or variable goes without. Texts
are Markdown, one or two sentences each; docs/language.md is the whole.
"""

from __future__ import annotations

from lamina.values import value


@value
class Entry:
    """How a word is written, and what it does."""

    usage: str
    text: str


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

_MOUNT = Entry(
    "--mount=type=bind|cache|tmpfs|secret|ssh,target=PATH,...",
    "Something that is there while the command runs and is not in the layer: files "
    "of the context or a stage, a cache, memory, a secret, an SSH agent. May stand "
    "several times.",
)
_NETWORK = Entry(
    "--network=default|none|host",
    "What the command reaches: `none` is loopback only, `host` the network of this "
    "machine, which the build has to be allowed.",
)
_SECURITY = Entry(
    "--security=sandbox|insecure",
    "`insecure` runs with all capabilities and no seccomp filter; the build has to "
    "be allowed it.",
)
_DEVICE = Entry(
    "--device=NAME[,required]",
    "A device for the command (CDI). May stand several times.",
)
_ENV = Entry(
    "--env=NAME",
    "Only the variables that are named so enter the command and its cache key. May "
    "stand several times.",
)
_COPY = {
    "chown": Entry(
        "--chown=USER[:GROUP]",
        "The owner of what is copied. Names are looked up in the stage; one that is "
        "not there is an error.",
    ),
    "chmod": Entry(
        "--chmod=755  |  --chmod=u=rwX,go=rX",
        "The mode of what is copied, files and folders: octal or symbolic.",
    ),
    "link": Entry(
        "--link[=true|false]",
        "Copies into a layer of its own that does not depend on those below: it is "
        "used again when the base changes. Links in the destination's path are not "
        "followed.",
    ),
    "exclude": Entry(
        "--exclude=PATTERN",
        "Leaves out what matches, in the grammar of `.dockerignore`, relative to each "
        "source folder. May stand several times.",
    ),
}

# The flags of each instruction.
FLAGS: dict[str, dict[str, Entry]] = {
    "FROM": {
        "platform": Entry(
            "--platform=OS/ARCH[/VARIANT]",
            "The platform of the base, where an image is for several. "
            "`$BUILDPLATFORM` is this machine's, the default is the target's.",
        ),
        "include": Entry(
            "--include=PACKAGE[,PACKAGE]",
            "More packages for a base that is made from a distribution.",
        ),
        "variant": Entry(
            "--variant=NAME",
            "How much of the distribution a `bootstrap:` base has at first.",
        ),
        "mirror": Entry(
            "--mirror=URL", "Where the packages of a `bootstrap:` base come from."
        ),
        "snapshot": Entry(
            "--snapshot=TIME",
            "The archive's state at that time, for a `bootstrap:` base that can be "
            "made again.",
        ),
    },
    "RUN": {
        "mount": _MOUNT,
        "network": _NETWORK,
        "security": _SECURITY,
        "device": _DEVICE,
        "no-cache": Entry("--no-cache", "Runs in every build, whatever is cached."),
        "max-age": Entry(
            "--max-age=12h",
            "Runs again when the cached result is older. Units are ns, us, ms, s, m, "
            "h.",
        ),
        "env": _ENV,
    },
    "TEST": {
        "mount": _MOUNT,
        "network": _NETWORK,
        "security": _SECURITY,
        "device": _DEVICE,
        "no-cache": Entry("--no-cache", "Tests in every build, whatever is cached."),
        "max-age": Entry(
            "--max-age=12h", "Tests again when it last passed longer ago than this."
        ),
        "env": _ENV,
    },
    "COPY": {
        "from": Entry(
            "--from=STAGE|IMAGE",
            "Copies from an earlier stage, by its name or number, or from an image.",
        ),
        "parents": Entry(
            "--parents[=true|false]",
            "Keeps the folders of the source's path. `/./` in a source says where "
            "the kept part starts.",
        ),
        **_COPY,
        "if-exists": Entry(
            "--if-exists",
            "Sources that are not there are left out; otherwise they are an error.",
        ),
    },
    "ADD": {
        **_COPY,
        "checksum": Entry(
            "--checksum=sha256:DIGEST",
            "What the one source has to be: the digest of a download, or the commit "
            "of a Git repository.",
        ),
        "keep-git-dir": Entry(
            "--keep-git-dir[=true|false]", "Keeps `.git` of a Git repository."
        ),
        "unpack": Entry(
            "--unpack[=true|false]",
            "Whether an archive is unpacked. By default local ones are and "
            "downloads are not.",
        ),
    },
    "HEALTHCHECK": {
        "interval": Entry(
            "--interval=30s", "The time between two checks. The default is 30s."
        ),
        "timeout": Entry(
            "--timeout=30s", "A check that takes longer has failed. 30s by default."
        ),
        "start-period": Entry(
            "--start-period=0s", "Failures in this time after the start do not count."
        ),
        "start-interval": Entry(
            "--start-interval=5s", "The time between checks in the start period."
        ),
        "retries": Entry(
            "--retries=3", "So many failures in a row make a container unhealthy."
        ),
    },
}

MOUNT_TYPES = {
    "bind": Entry(
        "type=bind,target=PATH[,source=PATH][,from=STAGE|IMAGE][,rw]",
        "Files of the context, of a stage or of an image, to read. With `rw` they "
        "can be written, and what is written is thrown away.",
    ),
    "cache": Entry(
        "type=cache,target=PATH[,id=NAME][,sharing=shared|private|locked]",
        "A folder that outlives the build, for package managers and compilers.",
    ),
    "tmpfs": Entry("type=tmpfs,target=PATH[,size=64m]", "An empty folder in memory."),
    "secret": Entry(
        "type=secret,id=NAME[,target=PATH][,env=NAME][,required]",
        "A file or variable that `build --secret` gives; in no layer and no history.",
    ),
    "ssh": Entry(
        "type=ssh[,id=NAME][,required]",
        "The SSH agent that `build --ssh` gives, in `$SSH_AUTH_SOCK`.",
    ),
}

MOUNT_FIELDS = {
    "type": Entry("type=bind|cache|tmpfs|secret|ssh", "What is mounted; else `bind`."),
    "target": Entry(
        "target=PATH",
        "Where it is mounted; relative to WORKDIR. Also `dst`, `destination`. A "
        "secret's default is `/run/secrets/ID`.",
    ),
    "source": Entry(
        "source=PATH",
        "What of the context, stage or image is mounted; else all. Also `src`.",
    ),
    "from": Entry("from=STAGE|IMAGE", "An earlier stage, or an image."),
    "readonly": Entry("readonly[=true|false]", "It can not be written. Also `ro`."),
    "readwrite": Entry("readwrite[=true|false]", "It can be written. Also `rw`."),
    "id": Entry(
        "id=NAME",
        "Which cache, secret or SSH agent. A cache's default is its target.",
    ),
    "sharing": Entry(
        "sharing=shared|private|locked",
        "What several RUNs that use a cache at one time do; else `shared`.",
    ),
    "mode": Entry("mode=0755", "The mode of the folder or file, in octal."),
    "uid": Entry("uid=NUMBER", "Its owner; else 0."),
    "gid": Entry("gid=NUMBER", "Its group; else 0."),
    "size": Entry("size=64m", "The most that a tmpfs holds."),
    "required": Entry(
        "required[=true|false]", "The build fails when it is not given; else left out."
    ),
    "env": Entry("env=NAME", "The variable that holds the secret."),
}

# The values of flags and mount fields that have few.
VALUES: dict[str, dict[str, str]] = {
    "--network": {
        "default": "The build's network.",
        "none": "Loopback only.",
        "host": "The network of this machine.",
    },
    "--security": {
        "sandbox": "As containers have it.",
        "insecure": "All capabilities, no seccomp filter.",
    },
    "sharing": {
        "shared": "All use it at once.",
        "private": "Each at a time has one of its own.",
        "locked": "One after the other.",
    },
}

VARIABLES = {
    "BUILDPLATFORM": "The platform of this machine, like `linux/amd64`.",
    "BUILDOS": "The operating system of this machine, `linux`.",
    "BUILDOSVERSION": "The version in this machine's platform, if there is one.",
    "BUILDARCH": "The architecture of this machine, like `amd64`.",
    "BUILDVARIANT": "The variant of this machine's architecture, like `v7`.",
    "TARGETPLATFORM": "The platform that is built for, like `linux/arm64`.",
    "TARGETOS": "The operating system that is built for, `linux`.",
    "TARGETOSVERSION": "The version in the platform that is built for.",
    "TARGETARCH": "The architecture that is built for, like `arm64`.",
    "TARGETVARIANT": "The variant of the architecture that is built for, like `v7`.",
    "TARGETSTAGE": "The name of the stage that is built.",
}

DIRECTIVES = {
    "syntax": Entry(
        "# syntax=docker/dockerfile:1",
        "The frontend that BuildKit fetches. Lamina reads the language itself.",
    ),
    "escape": Entry(
        "# escape=\\  |  # escape=`",
        "The character that escapes, and at the end of a line continues it.",
    ),
    "check": Entry(
        "# check=skip=RULE,RULE;error=true",
        "At the top: leaves checks out (`all`: every one), makes warnings errors. "
        "Above an instruction: leaves checks out there.",
    ),
    "lamina": Entry(
        "# lamina: WORD",
        "Turns on what Lamina adds to the language, and says how the file is read.",
    ),
}

# What follows `# lamina:`.
SETTINGS = {
    "extended": Entry(
        "# lamina: extended",
        "What Lamina adds to the language is there, in a file of any name.",
    ),
    "scrub": Entry(
        "# lamina: scrub",
        "Drops what package managers leave behind, logs and caches, from every layer.",
    ),
    "compat": Entry(
        "# lamina: compat=buildkit",
        "Does all as BuildKit does, also where that reads on in silence.",
    ),
    "template": Entry(
        "# lamina: template=jinja2|none",
        "Whether the file is rendered with Jinja2 first. A `Recipe` is, other files "
        "are when they say so.",
    ),
    "var": Entry(
        '# lamina: var NAME:TYPE [= DEFAULT] ["DESCRIPTION"]',
        "A variable of the template, for `--set NAME=VALUE`. Types are `str`, `int`, "
        "`bool`, `list` and `enum(a,b)`.",
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
