"""The keys of a compose file, and the kind of each.

What of them a container here cannot have is in support.py, key by key.
"""

from __future__ import annotations

import re

from lamina.services.compose import mount_shapes, network_shapes, shapes
from lamina.services.compose.kinds import (
    anything,
    choice,
    command,
    duration,
    each,
    empty_or,
    flag,
    integer,
    matching,
    mode,
    named,
    number,
    one_or_each,
    pairs,
    path_kind,
    scalar_text,
    size,
    table,
    text,
    texts_of_numbers,
    whole,
)
from lamina.services.compose.shapes import bounded, long_or, names_or, needs, short_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lamina.services.compose.kinds import Kind

TEXTS = each(text)
TEXT_OR_TEXTS = one_or_each(text)
VARIABLES = pairs(without=None, looked_up=True)
LABELS = pairs()
OPTIONS = pairs()
PORT = integer(1, 65535)
COUNT = integer(0)
MAC = matching("([0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}", "it is no address of a card.")

HOOK: dict[str, Kind] = {
    "command": command,
    "user": texts_of_numbers,
    "privileged": flag,
    "working_dir": text,
    "environment": VARIABLES,
}
_HOOK = needs(table(lambda: HOOK), "command")

LONG_PORT: dict[str, Kind] = {
    "name": text,
    "mode": text,
    "host_ip": network_shapes.host_ip,
    "target": PORT,
    "published": network_shapes.published,
    "protocol": network_shapes.protocol,
    "app_protocol": text,
}

LONG_MOUNT: dict[str, Kind] = {
    "type": choice("bind", "volume", "tmpfs", "cluster", "npipe", "image"),
    "source": text,
    "target": mount_shapes.in_container,
    "read_only": flag,
    "consistency": text,
    "bind": table(
        lambda: {
            "propagation": choice(
                "shared", "slave", "private", "rshared", "rslave", "rprivate"
            ),
            "create_host_path": flag,
            "recursive": choice("enabled", "disabled", "writable", "readonly"),
            "selinux": choice("z", "Z"),
        }
    ),
    "volume": table(lambda: {"labels": LABELS, "nocopy": flag, "subpath": text}),
    "tmpfs": table(lambda: {"size": size, "mode": mode}),
    "image": table(lambda: {"subpath": text}),
}

LONG_FILE: dict[str, Kind] = {
    "source": text,
    "target": text,
    "uid": mount_shapes.owner,
    "gid": mount_shapes.owner,
    "mode": mode,
}
_FILES = each(
    long_or(
        mount_shapes.short_file,
        bounded(mount_shapes.long_file, table(lambda: LONG_FILE)),
    )
)

ULIMITS = named(shapes.ulimit, re.compile("[a-z]+"))

BUILD: dict[str, Kind] = {
    "context": shapes.build_context,
    "dockerfile": text,
    "dockerfile_inline": text,
    "entitlements": TEXTS,
    "args": VARIABLES,
    "ssh": shapes.ssh,
    "labels": LABELS,
    "cache_from": TEXTS,
    "cache_to": TEXTS,
    "no_cache": flag,
    "no_cache_filter": TEXT_OR_TEXTS,
    "additional_contexts": shapes.contexts,
    "network": text,
    "provenance": scalar_text,
    "sbom": scalar_text,
    "pull": flag,
    "target": text,
    "shm_size": size,
    "extra_hosts": network_shapes.extra_hosts,
    "isolation": text,
    "privileged": flag,
    "secrets": _FILES,
    "tags": TEXTS,
    "ulimits": ULIMITS,
    "platforms": TEXTS,
}

_RATES = each(table(lambda: {"path": text, "rate": size}))
_WEIGHT = integer(10, 1000)

BLKIO: dict[str, Kind] = {
    "device_read_bps": _RATES,
    "device_read_iops": _RATES,
    "device_write_bps": _RATES,
    "device_write_iops": _RATES,
    "weight": _WEIGHT,
    "weight_device": each(table(lambda: {"path": text, "weight": _WEIGHT})),
}

HEALTHCHECK: dict[str, Kind] = {
    "disable": flag,
    "interval": duration,
    "retries": COUNT,
    "test": shapes.health_test,
    "timeout": duration,
    "start_period": duration,
    "start_interval": duration,
}

_ORDER = choice("start-first", "stop-first")
_ROLLOUT: dict[str, Kind] = {
    "parallelism": COUNT,
    "delay": duration,
    "failure_action": text,
    "monitor": duration,
    "max_failure_ratio": number,
    "order": _ORDER,
}
_DEVICES = each(
    table(
        lambda: {
            "capabilities": TEXTS,
            "count": scalar_text,
            "device_ids": TEXTS,
            "driver": text,
            "options": OPTIONS,
        }
    )
)

DEPLOY: dict[str, Kind] = {
    "mode": choice("replicated", "global", "replicated-job", "global-job"),
    "endpoint_mode": choice("vip", "dnsrr"),
    "replicas": COUNT,
    "labels": LABELS,
    "rollback_config": table(lambda: _ROLLOUT),
    "update_config": table(lambda: _ROLLOUT),
    "resources": table(
        lambda: {
            "limits": table(
                lambda: {"cpus": number, "memory": size, "pids": integer(-1)}
            ),
            "reservations": table(
                lambda: {
                    "cpus": number,
                    "memory": size,
                    "generic_resources": each(anything),
                    "devices": _DEVICES,
                }
            ),
        }
    ),
    "restart_policy": table(
        lambda: {
            "condition": choice("none", "on-failure", "any"),
            "delay": duration,
            "max_attempts": COUNT,
            "window": duration,
        }
    ),
    "placement": table(
        lambda: {
            "constraints": TEXTS,
            "preferences": each(table(lambda: {"spread": text})),
            "max_replicas_per_node": COUNT,
        }
    ),
}

WATCH: dict[str, Kind] = {
    "path": path_kind,
    "action": choice("rebuild", "sync", "restart", "sync+restart", "sync+exec"),
    "target": text,
    "ignore": TEXT_OR_TEXTS,
    "include": TEXT_OR_TEXTS,
    "initial_sync": flag,
    "exec": _HOOK,
}

ATTACHMENT: dict[str, Kind] = {
    "aliases": TEXTS,
    "interface_name": text,
    "ipv4_address": network_shapes.ip_address(4),
    "ipv6_address": network_shapes.ip_address(6),
    "link_local_ips": TEXTS,
    "mac_address": MAC,
    "driver_opts": OPTIONS,
    "priority": integer(),
    "gw_priority": integer(),
}

DEPENDENCY: dict[str, Kind] = {
    "condition": choice(
        "service_started", "service_healthy", "service_completed_successfully"
    ),
    "required": flag,
    "restart": flag,
}

ENV_FILE: dict[str, Kind] = {
    "path": path_kind,
    "required": flag,
    "format": choice("raw"),
}
_ENV_FILE = long_or(
    short_text("path", path_kind), needs(table(lambda: ENV_FILE), "path")
)

SERVICE: dict[str, Kind] = {
    "annotations": LABELS,
    "attach": flag,
    "blkio_config": table(lambda: BLKIO),
    "build": long_or(short_text("context", shapes.build_context), table(lambda: BUILD)),
    "cap_add": TEXTS,
    "cap_drop": TEXTS,
    "cgroup": choice("host", "private"),
    "cgroup_parent": text,
    "command": command,
    "configs": _FILES,
    "container_name": matching(
        "(?:[a-zA-Z0-9][a-zA-Z0-9_.-]+)?", "it is letters, digits, `_`, `.` and `-`."
    ),
    "cpu_count": COUNT,
    "cpu_percent": number,
    "cpu_period": shapes.delay_or_number,
    "cpu_quota": shapes.delay_or_number,
    "cpu_rt_period": shapes.delay_or_number,
    "cpu_rt_runtime": shapes.delay_or_number,
    "cpu_shares": COUNT,
    "cpus": number,
    "cpuset": text,
    "credential_spec": table(lambda: {"config": text, "file": text, "registry": text}),
    "depends_on": names_or(
        table(lambda: DEPENDENCY),
        {"condition": "service_started", "required": True},
    ),
    "deploy": empty_or(table(lambda: DEPLOY)),
    "develop": empty_or(
        table(lambda: {"watch": each(needs(table(lambda: WATCH), "path", "action"))})
    ),
    "device_cgroup_rules": TEXTS,
    "devices": each(
        long_or(
            mount_shapes.short_device,
            bounded(
                mount_shapes.long_device,
                table(lambda: {"source": text, "target": text, "permissions": text}),
            ),
        )
    ),
    "dns": TEXT_OR_TEXTS,
    "dns_opt": TEXTS,
    "dns_search": TEXT_OR_TEXTS,
    "domainname": text,
    "entrypoint": command,
    "env_file": one_or_each(_ENV_FILE),
    "environment": VARIABLES,
    "expose": each(network_shapes.exposed),
    "extends": whole(
        long_or(
            short_text("service"),
            needs(
                table(lambda: {"service": text, "file": shapes.local_file}), "service"
            ),
        )
    ),
    "external_links": TEXTS,
    "extra_hosts": network_shapes.extra_hosts,
    "gpus": long_or(choice("all"), each(anything)),
    "group_add": each(texts_of_numbers),
    "healthcheck": table(lambda: HEALTHCHECK),
    "hostname": text,
    "image": text,
    "init": flag,
    "ipc": text,
    "isolation": text,
    "label_file": one_or_each(path_kind),
    "labels": LABELS,
    "links": TEXTS,
    "logging": table(lambda: {"driver": text, "options": OPTIONS}),
    "mac_address": MAC,
    "mem_limit": size,
    "mem_reservation": size,
    "mem_swappiness": integer(-1, 100),
    "memswap_limit": size,
    "models": names_or(empty_or(anything)),
    "network_mode": text,
    "networks": names_or(empty_or(table(lambda: ATTACHMENT))),
    "oom_kill_disable": flag,
    "oom_score_adj": integer(-1000, 1000),
    "pid": empty_or(text),
    "pids_limit": integer(-1),
    "platform": text,
    "ports": network_shapes.ports(
        bounded(network_shapes.long_port, table(lambda: LONG_PORT))
    ),
    "post_start": each(_HOOK),
    "pre_stop": each(_HOOK),
    "privileged": flag,
    "profiles": TEXTS,
    "provider": table(lambda: {"type": text, "options": anything}),
    "pull_policy": matching(
        "always|never|build|if_not_present|missing|refresh|daily|weekly"
        "|every_([0-9]+[wdhms])+",
        "it is always, missing, never, build, daily, weekly or every_12h.",
    ),
    "pull_refresh_after": text,
    "read_only": flag,
    "restart": matching(
        r"(?:no|always|unless-stopped|on-failure(?::[0-9]{1,9})?)?",
        "it is no, always, unless-stopped, on-failure or on-failure:5.",
    ),
    "runtime": text,
    "scale": COUNT,
    "secrets": _FILES,
    "security_opt": TEXTS,
    "shm_size": size,
    "stdin_open": flag,
    "stop_grace_period": duration,
    "stop_signal": text,
    "storage_opt": OPTIONS,
    "sysctls": pairs(),
    "tmpfs": TEXT_OR_TEXTS,
    "tty": flag,
    "ulimits": ULIMITS,
    "use_api_socket": flag,
    "user": text,
    "userns_mode": text,
    "uts": text,
    "volumes": each(
        long_or(
            mount_shapes.short_mount,
            bounded(mount_shapes.long_mount, table(lambda: LONG_MOUNT)),
        )
    ),
    "volumes_from": TEXTS,
    "working_dir": text,
}

IPAM: dict[str, Kind] = {
    "driver": text,
    "config": each(
        table(
            lambda: {
                "subnet": network_shapes.subnet,
                "ip_range": network_shapes.subnet,
                "gateway": network_shapes.ip_address(),
                "aux_addresses": named(network_shapes.ip_address(), re.compile(".+")),
            }
        )
    ),
    "options": OPTIONS,
}

NETWORK: dict[str, Kind] = {
    "name": text,
    "driver": text,
    "driver_opts": OPTIONS,
    "ipam": table(lambda: IPAM),
    "external": shapes.external,
    "internal": flag,
    "enable_ipv4": flag,
    "enable_ipv6": flag,
    "attachable": flag,
    "labels": LABELS,
}

VOLUME: dict[str, Kind] = {
    "name": text,
    "driver": text,
    "driver_opts": OPTIONS,
    "external": shapes.external,
    "labels": LABELS,
}

SECRET: dict[str, Kind] = {
    "name": text,
    "environment": text,
    "file": path_kind,
    "external": shapes.external,
    "labels": LABELS,
    "driver": text,
    "driver_opts": OPTIONS,
    "template_driver": text,
}

CONFIG: dict[str, Kind] = {
    "name": text,
    "content": text,
    "environment": text,
    "file": path_kind,
    "external": shapes.external,
    "labels": LABELS,
    "template_driver": text,
}

INCLUDE: dict[str, Kind] = {
    "path": one_or_each(shapes.local_file),
    "env_file": one_or_each(path_kind),
    "project_directory": path_kind,
}


def _resources(keys: dict[str, Kind], empty: bool) -> Kind:
    kind = shapes.with_external_name(table(lambda: keys))
    return named(empty_or(kind) if empty else kind)


PROJECT: dict[str, Kind] = {
    "version": anything,
    "name": text,
    "include": each(
        long_or(
            short_text("path", one_or_each(shapes.local_file)),
            needs(table(lambda: INCLUDE), "path"),
        )
    ),
    "services": named(table(lambda: SERVICE)),
    "networks": empty_or(_resources(NETWORK, empty=True)),
    "volumes": empty_or(_resources(VOLUME, empty=True)),
    "secrets": empty_or(_resources(SECRET, empty=False)),
    "configs": empty_or(_resources(CONFIG, empty=False)),
    "models": empty_or(named(anything)),
}

project: Kind = table(lambda: PROJECT)
