"""What of the format a container here cannot have, key by key: refused, or told.

`*` is any name or index. ERROR is for what would have the service do other than it was
meant to; WARNING for what makes no difference to it on one machine.
"""

from __future__ import annotations

from lamina.services.compose.nodes import Node
from lamina.values import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

ERROR = "error"
WARNING = "warning"


@value
class Rule:
    """A path below a service (or a section of the file), and what is said of it.

    It holds for values that `when` is true of, any by default.
    """

    path: tuple[str, ...]
    level: str
    said: str
    hint: str = ""
    when: Callable[[Any], bool] | None = None


def _other_than(*words: str) -> Callable[[Any], bool]:
    return lambda found: found not in words


_SWARM = "is for a swarm of machines, and is ignored."
_IGNORED = "is ignored."
_NO_GPUS = "is not there: only devices that have a file can be given."
_DEVICES = "Name their files: `devices: [/dev/dri]`."
_WINDOWS = "is of Windows."
_REAL_TIME = "needs a kernel with real-time groups."
_RESERVATIONS = ("deploy", "resources", "reservations")

SERVICE_RULES = (
    Rule(
        ("build", "additional_contexts", "*"),
        ERROR,
        "is not there: a build knows no other services.",
        "Name the image, as in docker-image://app-base.",
        lambda found: str(found).startswith("service:"),
    ),
    Rule(("build", "isolation"), ERROR, _WINDOWS, when=_other_than("", "default")),
    Rule(("build", "no_cache_filter"), WARNING, _IGNORED),
    Rule(("build", "privileged"), WARNING, _IGNORED, when=bool),
    Rule(("build", "provenance"), WARNING, _IGNORED, when=_other_than("false")),
    Rule(("build", "sbom"), WARNING, _IGNORED, when=_other_than("false")),
    Rule(("cpu_count",), ERROR, _WINDOWS, "Say `cpus`."),
    Rule(("cpu_percent",), ERROR, _WINDOWS, "Say `cpus`."),
    Rule(("cpu_rt_period",), ERROR, _REAL_TIME),
    Rule(("cpu_rt_runtime",), ERROR, _REAL_TIME),
    Rule(("credential_spec",), ERROR, _WINDOWS),
    Rule(("deploy", "mode"), WARNING, _SWARM, when=_other_than("replicated")),
    Rule(("deploy", "placement"), WARNING, _SWARM),
    Rule(("deploy", "rollback_config"), WARNING, _SWARM),
    Rule(("deploy", "update_config", "failure_action"), WARNING, _SWARM),
    Rule(("deploy", "update_config", "max_failure_ratio"), WARNING, _SWARM),
    Rule(("deploy", "update_config", "monitor"), WARNING, _SWARM),
    Rule(("deploy", "restart_policy", "delay"), WARNING, _IGNORED),
    Rule(("deploy", "restart_policy", "window"), WARNING, _IGNORED),
    Rule((*_RESERVATIONS, "cpus"), WARNING, _SWARM),
    Rule((*_RESERVATIONS, "generic_resources"), WARNING, _SWARM),
    Rule((*_RESERVATIONS, "devices"), ERROR, _NO_GPUS, _DEVICES),
    Rule(("external_links",), ERROR, "is of old.", "Join a network that both are in."),
    Rule(("gpus",), ERROR, _NO_GPUS, _DEVICES),
    Rule(("isolation",), ERROR, _WINDOWS, when=_other_than("", "default")),
    Rule(
        ("logging", "driver"),
        ERROR,
        "is not there.",
        "There are json-file, local and none.",
        _other_than("", "json-file", "local", "none"),
    ),
    Rule(("models",), ERROR, "needs Docker's model runner."),
    Rule(("networks", "*", "driver_opts"), WARNING, _IGNORED),
    Rule(("networks", "*", "gw_priority"), WARNING, _IGNORED),
    Rule(("networks", "*", "interface_name"), WARNING, _IGNORED),
    Rule(("networks", "*", "link_local_ips"), WARNING, _IGNORED),
    Rule(("provider",), ERROR, "needs a program of Docker's."),
    Rule(
        ("pull_policy",),
        ERROR,
        "is not there.",
        "Say how often: `daily`, `every_12h`.",
        lambda found: found == "refresh",
    ),
    Rule(("pull_refresh_after",), WARNING, _IGNORED),
    Rule(
        ("storage_opt",),
        ERROR,
        "needs a file system that counts by project.",
        "Where it is about scratch space, `tmpfs` has a size.",
    ),
    Rule(("use_api_socket",), ERROR, "is not there: nothing listens.", when=bool),
    Rule(
        ("userns_mode",),
        ERROR,
        "is not there.",
        "Leave it out.",
        _other_than("", "host"),
    ),
    Rule(
        ("volumes", "*", "type"),
        ERROR,
        "is not there.",
        "There are bind, volume and tmpfs.",
        _other_than("bind", "volume", "tmpfs"),
    ),
)

PROJECT_RULES = (
    Rule(
        ("networks", "*", "driver"),
        ERROR,
        "is not there.",
        "There is bridge.",
        _other_than("", "default", "bridge"),
    ),
    Rule(
        ("networks", "*", "enable_ipv4"),
        ERROR,
        "is not there: networks have IPv4.",
        when=lambda found: found is False,
    ),
    Rule(
        ("volumes", "*", "driver"),
        ERROR,
        "is not there.",
        "There is local.",
        _other_than("", "default", "local"),
    ),
    Rule(("secrets", "*", "driver"), ERROR, "needs a swarm."),
    Rule(("secrets", "*", "template_driver"), ERROR, "needs a swarm."),
    Rule(("configs", "*", "template_driver"), ERROR, "needs a swarm."),
    Rule(
        ("secrets", "*", "external"),
        ERROR,
        "needs a swarm, which keeps secrets.",
        "Give it a `file` or an `environment` variable.",
        bool,
    ),
    Rule(
        ("configs", "*", "external"),
        ERROR,
        "needs a swarm, which keeps configs.",
        "Give it a `file`, its `content` or an `environment` variable.",
        bool,
    ),
)


def check_support(
    node: Node, path: str, rules: tuple[Rule, ...], warn: Callable[[str], None]
) -> None:
    """Refuse or tell what the rules are about. Raises ComposeError."""
    for rule in rules:
        for where, found in _at(node, rule.path, path):
            if found.value is None or (rule.when and not rule.when(found.value)):
                continue
            shown = "" if isinstance(found.value, dict | list) else f" {found.value}"
            message = f"`{where}{':' if shown else ''}{shown}` {rule.said}"
            if rule.level == ERROR:
                raise found.error(message, hint=rule.hint)
            warn(f"{found.place}: {message}")


def _at(node: Node, path: tuple[str, ...], where: str) -> Iterator[tuple[str, Node]]:
    if not path:
        yield where, node
        return
    inner, step = node.value, path[0]
    if step == "*" and isinstance(inner, list):
        for at, item in enumerate(inner):
            yield from _at(item, path[1:], f"{where}[{at}]")
    elif isinstance(inner, dict):
        names = list(inner) if step == "*" else [step] if step in inner else []
        for name in names:
            joined = f"{where}.{name}" if where else name
            yield from _at(inner[name], path[1:], joined)
