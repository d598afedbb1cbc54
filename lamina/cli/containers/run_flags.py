"""The flags of `run` and `create`: what a container is like."""

from __future__ import annotations

import argparse


def add_container_flags(parser: argparse.ArgumentParser) -> None:
    """Register them, and IMAGE and COMMAND."""
    parser.add_argument("--help", action="help", help="show this and exit")
    flag = parser.add_argument
    for names, about in _SWITCHES:
        flag(*names, action="store_true", help=about)
    for names, metavar, about in _LISTS:
        flag(*names, action="append", default=[], metavar=metavar, help=about)
    for names, metavar, default, about in _TEXTS:
        flag(*names, metavar=metavar, default=default, help=about)
    flag("image", metavar="IMAGE")
    flag("command", metavar="COMMAND", nargs=argparse.REMAINDER).required = False


# fmt: off
_SWITCHES = (
    (("-i", "--interactive"), "pass standard input on"),
    (("-t", "--tty"), "give the container a terminal"),
    (("--rm",), "remove the container when it has ended"),
    (("--read-only",), "let nothing in its root be written"),
    (("--init",), "put a process before it that reaps and forwards signals"),
    (("--privileged",), "no isolation from the host's devices and settings"),
    (("-P", "--publish-all"), "publish all ports that the image exposes"),
    (("--oom-kill-disable",), "let nothing be killed when its memory is full"),
    (("--no-healthcheck",), "do without the image's health check"),
    (("-q", "--quiet"), "say nothing of a pull"),
)
_LISTS = (
    (("-e", "--env"), "NAME[=VALUE]", "set a variable, or pass the caller's on"),
    (("--env-file",), "FILE", "set the variables that FILE has, one a line"),
    (("-v", "--volume"), "[SRC:]DST[:OPTS]", "mount a host path or a named volume"),
    (("--mount",), "type=...,src=,dst=", "mount, written out"),
    (("--volumes-from",), "CONTAINER[:ro]", "mount what another one has"),
    (("--tmpfs",), "DST[:OPTS]", "mount an empty file system in memory"),
    (("-p", "--publish"), "[IP:][HOST:]PORT[/udp]", "publish a port on the host"),
    (("--expose",), "PORT[-LAST][/udp]", "say that the container serves PORT"),
    (("-l", "--label"), "KEY=VALUE", "note something on the container"),
    (("--label-file",), "FILE", "the labels that FILE has, one a line"),
    (("--annotation",), "KEY=VALUE", "note something for the OCI runtime"),
    (("--cap-add",), "CAP", "give a capability, or ALL"),
    (("--cap-drop",), "CAP", "take a capability, or ALL"),
    (("--security-opt",), "OPT", "no-new-privileges, seccomp=unconfined|FILE"),
    (("--group-add",), "GROUP", "one more group, by its name or number"),
    (("--device",), "HOST[:DST][:rwm]", "give a device of the host, or a folder"),
    (("--device-cgroup-rule",), "RULE", "let devices be used, as in 'c 42:* rmw'"),
    (("--device-read-bps",), "DEVICE:RATE", "most bytes a second, as in 1mb"),
    (("--device-write-bps",), "DEVICE:RATE", "most bytes a second, as in 1mb"),
    (("--device-read-iops",), "DEVICE:RATE", "most reads a second"),
    (("--device-write-iops",), "DEVICE:RATE", "most writes a second"),
    (("--blkio-weight-device",), "DEVICE:WEIGHT", "weight of its access to one disk"),
    (("--gpus",), "GPUS", "not supported: use --device"),
    (("--storage-opt",), "size=BYTES", "not supported: see --tmpfs"),
    (("--sysctl",), "NAME=VALUE", "a kernel setting of its namespaces"),
    (("--add-host",), "NAME:IP", "one more line in /etc/hosts"),
    (("--network", "--net"), "NAME", "a network, none, host or container:NAME"),
    (("--link",), "CONTAINER[:NAME]", "find another container by one more name"),
    (("--network-alias", "--net-alias"), "NAME", "another name for it on its network"),
    (("--dns",), "IP", "a name server"),
    (("--dns-search",), "DOMAIN", "a search domain"),
    (("--dns-option", "--dns-opt"), "OPT", "an option of the resolver"),
    (("--ulimit",), "TYPE=SOFT[:HARD]", "a resource limit of processes"),
    (("--log-opt",), "KEY=VALUE", "max-size=10m, max-file=3, labels=A,B, tag=..."),
    (("-a", "--attach"), "STREAM", "show only these: stdin, stdout, stderr"),
)
_TEXTS = (
    (("--name",), "NAME", "", "name the container"),
    (("-w", "--workdir"), "DIR", "", "the working directory"),
    (("-u", "--user"), "USER[:GROUP]", "", "who runs the command"),
    (("--entrypoint",), "PROGRAM", None, "run this instead of the image's entrypoint"),
    (("--ip",), "IP", "", "its IPv4 address on its network"),
    (("--ip6",), "IP", "", "its IPv6 address there"),
    (("--mac-address",), "MAC", "", "its MAC address there"),
    (("--volume-driver",), "DRIVER", "", "local, as it is anyway"),
    (("-m", "--memory"), "BYTES", "", "most memory, as in 512m"),
    (("--memory-swap",), "BYTES", "", "most memory and swap together, -1 any"),
    (("--memory-reservation",), "BYTES", "", "memory to come down to when it is short"),
    (("--memory-swappiness",), "PERCENT", "-1", "how readily it is swapped, 0 to 100"),
    (("--cpus",), "NUMBER", "", "most CPU time, as in 1.5"),
    (("-c", "--cpu-shares"), "NUMBER", "0", "weight against others, 1024 is usual"),
    (("--cpu-period",), "MICROSECONDS", "0", "in which --cpu-quota is counted"),
    (("--cpu-quota",), "MICROSECONDS", "0", "CPU time in each period"),
    (("--cpuset-cpus",), "LIST", "", "the CPUs to run on, as in 0-2,5"),
    (("--cpuset-mems",), "LIST", "", "the memory nodes to use"),
    (("--blkio-weight",), "NUMBER", "0", "weight of its disk access, 10 to 1000"),
    (("--pids-limit",), "NUMBER", "0", "most processes, -1 any"),
    (("--runtime",), "PROGRAM", "", "have another OCI runtime launch it, as in crun"),
    (("-h", "--hostname"), "NAME", "", "its host name"),
    (("--domainname",), "NAME", "", "its NIS domain name"),
    (("--pid",), "MODE", "", "processes of others: host, container:NAME"),
    (("--ipc",), "MODE", "", "private, shareable, none, host, container:NAME"),
    (("--uts",), "MODE", "", "host: the host's names"),
    (("--cgroupns",), "MODE", "", "private or host"),
    (("--cgroup-parent",), "CGROUP", "", "put its cgroup into this one"),
    (("--userns",), "MODE", "", "host, as it is anyway"),
    (("--isolation",), "MODE", "", "default, as it is anyway"),
    (("--restart",), "POLICY", "no", "no, always, unless-stopped, on-failure[:MOST]"),
    (("--stop-signal",), "SIGNAL", "", "what `stop` sends"),
    (("--stop-timeout",), "SECONDS", "-1", "how long `stop` waits before it kills"),
    (("--health-cmd",), "COMMAND", "", "what says that it is healthy"),
    (("--health-interval",), "TIME", "", "between checks (default: 30s)"),
    (("--health-timeout",), "TIME", "", "how long a check may take (default: 30s)"),
    (("--health-start-period",), "TIME", "", "in which failures do not count"),
    (("--health-start-interval",), "TIME", "", "between checks in that period"),
    (("--health-retries",), "NUMBER", "0", "failures to be unhealthy (default: 3)"),
    (("--shm-size",), "BYTES", "", "the size of /dev/shm"),
    (("--oom-score-adj",), "NUMBER", "0", "who is killed first when memory is short"),
    (("--log-driver",), "DRIVER", "json-file", "json-file, local or none"),
    (("--cidfile",), "FILE", "", "write the container's ID to FILE"),
    (("--platform",), "OS/ARCH", "", "of several platforms, run this one"),
    (("--pull",), "WHEN", "missing", "ask its registry always, missing or never"),
)
# fmt: on
