"""What is absent, with the type that Docker's Go has for it.

`{{.Config.Cmd}}` of an image without one prints `[]` there, `{{.State.Health}}` prints
`<nil>`, and `{{if .State.Health}}` is no error: Go knows the field by its type, where
JSON has null or leaves it out.
"""

from __future__ import annotations

from lamina.values import value

LIST, MAP, POINTER, NUMBER = "[]", "map[]", "<nil>", "<no value>"


@value
class Nil:
    """A slice, map or pointer that is nil; `shown` is how Go prints it."""

    shown: str


class OpenMap(dict):  # type: ignore[type-arg]
    """A map whose keys are the user's, and no struct, whatever they look like."""


# The fields of Docker's types that may be nil, beside those that are pointers.
_LISTS = (
    "Args Binds BlkioDeviceReadBps CapAdd CapDrop Cmd DeviceCgroupRules Devices Dns "
    "DnsOptions DnsSearch Entrypoint Env ExecIDs ExtraHosts GroupAdd Layers Links "
    "MaskedPaths Mounts OnBuild ReadonlyPaths RepoDigests RepoTags SecurityOpt Shell "
    "Test Ulimits VolumesFrom Aliases"
)
_MAPS = (
    "Annotations Data DriverOpts ExposedPorts Labels Networks Options PortBindings "
    "Ports Sysctls Tmpfs Volumes"
)
_POINTERS = "Health Healthcheck IPAMConfig"
_POINTERS_TO_NUMBERS = (
    "Init MemorySwappiness OomKillDisable PidsLimit SizeRootFs SizeRw StopTimeout"
)
NILS = {
    name: Nil(shown)
    for names, shown in (
        (_LISTS, LIST),
        (_MAPS, MAP),
        (_POINTERS, POINTER),
        (_POINTERS_TO_NUMBERS, NUMBER),
    )
    for name in names.split()
}
# What is left out of JSON where it says nothing, and has a value in Go.
OMITTED = {"StopSignal": "", "MacAddress": "", "ArgsEscaped": False}
# Fields that Go calls otherwise than JSON does: docker takes both.
GO_NAMES = {
    **{"ID": "Id", "DNS": "Dns", "DNSOptions": "DnsOptions", "DNSSearch": "DnsSearch"},
    **{"NanoCPUs": "NanoCpus", "CPUShares": "CpuShares", "CPUPeriod": "CpuPeriod"},
    "CPUQuota": "CpuQuota",
}
# Fields whose names are the user's: a missing one is no mistake.
OPEN_MAPS = frozenset(_MAPS.split())
