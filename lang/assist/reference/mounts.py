"""The types of `--mount`, and their fields."""

from __future__ import annotations

from lamina.lang.assist.reference.entry import Entry

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

# The values of fields that have few.
FIELD_VALUES: dict[str, dict[str, str]] = {
    "sharing": {
        "shared": "All use it at once.",
        "private": "Each at a time has one of its own.",
        "locked": "One after the other.",
    },
}
