"""`linux.resources` of a config.json, and what `update` is given, as Resources.

runtime-spec, config-linux.md, Control groups; and back.
"""

from __future__ import annotations

from lamina.runtime.bundles import fields
from lamina.runtime.bundles.json_text import InvalidJson
from lamina.runtime.spec import DeviceRule, Resources, Throttle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from lamina.runtime.bundles.fields import Object

# The name of each in config.json.
_THROTTLES = {
    "read_bps": "throttleReadBpsDevice",
    "write_bps": "throttleWriteBpsDevice",
    "read_iops": "throttleReadIOPSDevice",
    "write_iops": "throttleWriteIOPSDevice",
}


def read_resources(given: Object) -> Resources:
    """The Resources of a `resources` object; raises InvalidJson."""
    number = fields.number
    memory, cpu = fields.obj(given, "memory"), fields.obj(given, "cpu")
    block, network = fields.obj(given, "blockIO"), fields.obj(given, "network")
    return Resources(
        memory=number(memory, "limit"),
        memory_swap=number(memory, "swap"),
        derive_swap=False,
        memory_reservation=max(number(memory, "reservation"), 0),
        swappiness=fields.optional_number(memory, "swappiness"),
        oom_kill_disabled=fields.flag(memory, "disableOOMKiller"),
        cpu_quota=number(cpu, "quota"),
        cpu_period=number(cpu, "period"),
        cpu_shares=number(cpu, "shares"),
        cpu_burst=number(cpu, "burst"),
        cpu_idle=fields.optional_number(cpu, "idle"),
        realtime_runtime=number(cpu, "realtimeRuntime"),
        realtime_period=number(cpu, "realtimePeriod"),
        cpuset_cpus=fields.text(cpu, "cpus"),
        cpuset_mems=fields.text(cpu, "mems"),
        pids=number(fields.obj(given, "pids"), "limit"),
        blkio_weight=number(block, "weight"),
        leaf_weight=number(block, "leafWeight"),
        throttles=_throttles(block),
        hugepages=tuple(
            (fields.text(row, "pageSize"), number(row, "limit"))
            for row in fields.objects(given, "hugepageLimits")
        ),
        rdma=_rdma(given),
        class_id=number(network, "classID"),
        priorities=tuple(
            (fields.text(row, "name"), number(row, "priority"))
            for row in fields.objects(network, "priorities")
        ),
        devices=tuple(_rule(row) for row in fields.objects(given, "devices")),
        unified=_unified(given),
    )


def _throttles(block: Object) -> tuple[Throttle, ...]:
    found = [
        Throttle(kind, *_node(row), fields.number(row, "rate"))
        for kind, name in _THROTTLES.items()
        for row in fields.objects(block, name)
    ]
    for row in fields.objects(block, "weightDevice"):
        for kind, name in (("weight", "weight"), ("leaf_weight", "leafWeight")):
            if amount := fields.number(row, name):
                found.append(Throttle(kind, *_node(row), amount))
    return tuple(found)


def _node(row: Object) -> tuple[int, int]:
    return fields.number(row, "major"), fields.number(row, "minor")


def _rdma(given: Object) -> tuple[tuple[str, int | None, int | None], ...]:
    found = fields.obj(given, "rdma")
    rows = []
    for name in found:
        row = fields.obj(found, name)
        handles = fields.optional_number(row, "hcaHandles")
        rows.append((name, handles, fields.optional_number(row, "hcaObjects")))
    return tuple(rows)


def _rule(row: Object) -> DeviceRule:
    kind, access = fields.text(row, "type", "a"), fields.text(row, "access")
    if kind not in ("a", "b", "c", "u", "") or set(access) - set("rwm"):
        raise InvalidJson(f"`devices` has a rule with type {kind!r}, access {access!r}")
    kind = {"": "a", "u": "c"}.get(kind, kind)
    major, minor = _any(row, "major"), _any(row, "minor")
    return DeviceRule(fields.flag(row, "allow"), kind, major, minor, access or "rwm")


def _any(row: Object, name: str) -> int | None:
    """A number of a device, None for any: engines older than null write -1."""
    amount = fields.optional_number(row, name)
    return None if amount is None or amount < 0 else amount


def _unified(given: Object) -> dict[str, str]:
    found = fields.mapping(given, "unified")
    for name in found:
        if "/" in name or "." not in name:
            raise InvalidJson(f"`unified`: {name!r} is not a file of a cgroup")
    return found


def write_resources(resources: Resources) -> dict[str, Any]:
    """The object that read_resources makes the same of, without what is no limit."""
    r = resources
    memory = {
        "limit": r.memory,
        "swap": r.memory_swap,
        "reservation": r.memory_reservation,
        "swappiness": r.swappiness,
        "disableOOMKiller": r.oom_kill_disabled,
    }
    cpu = {
        "quota": r.cpu_quota,
        "period": r.cpu_period,
        "shares": r.cpu_shares,
        "burst": r.cpu_burst,
        "idle": r.cpu_idle,
        "realtimeRuntime": r.realtime_runtime,
        "realtimePeriod": r.realtime_period,
        "cpus": r.cpuset_cpus,
        "mems": r.cpuset_mems,
    }
    written = {
        "memory": _present(memory),
        "cpu": _present(cpu),
        "pids": _present({"limit": r.pids}),
        "blockIO": _block(r),
        "hugepageLimits": [
            {"pageSize": size, "limit": limit} for size, limit in r.hugepages
        ],
        "rdma": {
            name: _present({"hcaHandles": handles, "hcaObjects": objects})
            for name, handles, objects in r.rdma
        },
        "network": _present(
            {
                "classID": r.class_id,
                "priorities": [
                    {"name": name, "priority": amount} for name, amount in r.priorities
                ],
            }
        ),
        "devices": [
            {name: given for name, given in rule.__dict__.items() if given is not None}
            for rule in r.devices
        ],
        "unified": dict(r.unified),
    }
    return _present(written)


def _block(r: Resources) -> dict[str, Any]:
    rows: dict[str, Any] = {"weight": r.blkio_weight, "leafWeight": r.leaf_weight}
    weights: dict[tuple[int, int], dict[str, int]] = {}
    for limit in r.throttles:
        node = {"major": limit.major, "minor": limit.minor}
        if limit.kind in _THROTTLES:
            name = _THROTTLES[limit.kind]
            rows.setdefault(name, []).append({**node, "rate": limit.rate})
        else:
            name = "weight" if limit.kind == "weight" else "leafWeight"
            known = weights.setdefault((limit.major, limit.minor), node)
            known[name] = limit.rate
    return _present({**rows, "weightDevice": list(weights.values())})


def _present(found: dict[str, Any]) -> dict[str, Any]:
    """Without what says the same as its absence; 0 of a number that may be missing
    says something."""
    zero = ("swappiness", "idle", "hcaHandles", "hcaObjects")
    return {k: v for k, v in found.items() if v or (k in zero and v is not None)}
