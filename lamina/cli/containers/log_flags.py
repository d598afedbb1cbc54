"""`--log-driver` and `--log-opt`: checked, and as Options have them."""

from __future__ import annotations

from lamina.cli.formats.amounts import RunUsage, size
from lamina.cli.pflag import truth_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FILES = ("max-size", "max-file", "compress", "mode", "max-buffer-size")
_ATTRIBUTES = ("labels", "labels-regex", "env", "env-regex", "tag")
# What each driver takes, as docker's do.
_KNOWN = {"json-file": (*_FILES, *_ATTRIBUTES), "local": _FILES, "none": ()}
# What docker's `local` keeps, unless it is told otherwise.
_LOCAL = {"max-size": str(20 << 20), "max-file": "5", "compress": "true"}
_MODES = ("blocking", "non-blocking")


def log_options(driver: str, given: list[str]) -> dict[str, Any]:
    """The fields of Options; sizes in bytes. Raises LaminaError."""
    if driver not in _KNOWN:
        raise RunUsage(
            f"There is no log driver {driver!r}.", hint=f"{', '.join(_KNOWN)}."
        )
    found = dict(_LOCAL) if driver == "local" else {}
    for text in given:
        key, equals, value = text.partition("=")
        if key not in _KNOWN[driver]:
            raise _unknown(driver, key)
        if not equals:
            raise RunUsage(f"Invalid log option {text!r}.", hint="It is KEY=VALUE.")
        found[key] = _checked(key, value)
    _check_together(driver, found)
    pairs = tuple(f"{key}={amount}" for key, amount in found.items())
    return {"log_driver": driver, "log_options": pairs}


def _unknown(driver: str, key: str) -> RunUsage:
    if not _KNOWN[driver]:
        return RunUsage(
            f"The log driver `{driver}` takes no options, and no {key!r}.",
            hint="It keeps nothing.",
        )
    return RunUsage(
        f"The log driver `{driver}` knows no option {key!r}.",
        hint=f"{', '.join(_KNOWN[driver])}.",
    )


def _checked(key: str, value: str) -> str:
    """The value as it is kept; raises LaminaError."""
    if key in ("max-size", "max-buffer-size"):
        amount = size(value, f"--log-opt {key}")
        if amount <= 0:
            raise RunUsage(f"Invalid size {value!r} for --log-opt {key}.")
        return str(amount)
    if key == "max-file" and not (value.isdecimal() and int(value) > 0):
        raise RunUsage(f"Invalid number of files {value!r} for --log-opt max-file.")
    if key == "mode" and value not in _MODES:
        raise RunUsage(f"There is no log mode {value!r}.", hint=f"{', '.join(_MODES)}.")
    if key == "compress":
        truth = truth_of(value)
        if truth is None:
            raise RunUsage(f"Invalid `--log-opt {key}={value}`.", hint="true or false.")
        return str(truth).lower()
    if key in ("tag", "labels-regex", "env-regex"):
        from lamina.runtime.containers import log_settings

        if key == "tag":
            log_settings.check_tag(value)
        else:
            log_settings.check_pattern(value, f"--log-opt {key}")
    return value


def _check_together(driver: str, found: dict[str, str]) -> None:
    if "max-file" in found and "max-size" not in found:
        raise RunUsage("`--log-opt max-file` needs `--log-opt max-size`.")
    if "max-buffer-size" in found and found.get("mode") != "non-blocking":
        raise RunUsage(
            "`--log-opt max-buffer-size` needs `--log-opt mode=non-blocking`."
        )
    # As docker has it: one file alone is never rotated to be kept.
    asked = driver == "json-file" and found.get("compress") == "true"
    if asked and int(found.get("max-file", 1)) < 2:
        raise RunUsage(
            "`--log-opt compress=true` needs `max-size`, and `max-file` of 2 or more.",
            hint="Files are compressed once a newer one takes their place.",
        )
