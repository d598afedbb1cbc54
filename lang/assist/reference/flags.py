"""The flags of each instruction."""

from __future__ import annotations

from lamina.lang.assist.reference.entry import Entry

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

# The values of flags that have few.
FLAG_VALUES: dict[str, dict[str, str]] = {
    "network": {
        "default": "The build's network.",
        "none": "Loopback only.",
        "host": "The network of this machine.",
    },
    "security": {
        "sandbox": "As containers have it.",
        "insecure": "All capabilities, no seccomp filter.",
    },
}
