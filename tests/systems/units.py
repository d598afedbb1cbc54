"""What systemd is to start there: a bus, and a systemd for each user who logs in.

As Debian's own units (dbus.socket, dbus.service, user@.service), without what they need
of a whole distribution.
"""

from __future__ import annotations

_BUS = """
[Unit]
DefaultDependencies=no
Requires=dbus.socket
[Service]
Type=notify
NotifyAccess=main
StandardOutput=null
ExecStart=/usr/bin/dbus-daemon --{} --address=systemd: --nofork --nopidfile \\
    --systemd-activation --syslog-only
"""
SYSTEM = {
    "machine.target": """
[Unit]
Description=A machine of the tests
""",
    "dbus.socket": """
[Unit]
DefaultDependencies=no
[Socket]
ListenStream=/run/dbus/system_bus_socket
""",
    "dbus.service": _BUS.format("system"),
    "user@.service": """
[Unit]
DefaultDependencies=no
Requires=dbus.service
After=dbus.service
[Service]
Type=notify
User=%i
Slice=user-%i.slice
Delegate=pids memory cpu
KillMode=mixed
StandardOutput=null
Environment=XDG_RUNTIME_DIR=/run/user/%i
Environment=SYSTEMD_UNIT_PATH=/run/user/%i/systemd/transient:/run/user-units
ExecStart=/lib/systemd/systemd --user --unit=user.target
""",
}
USER = {
    "user.target": """
[Unit]
Description=A user who is there
Requires=dbus.socket
""",
    "dbus.socket": """
[Unit]
DefaultDependencies=no
[Socket]
ListenStream=%t/bus
""",
    "dbus.service": _BUS.format("session"),
}
# Becoming PID 1.
START = """
exec env -i PATH="$PATH" container=tests SYSTEMD_LOG_TARGET=console \\
  SYSTEMD_UNIT_PATH=/run/systemd/transient:/run/units \\
  /lib/systemd/systemd --system --unit=machine.target
"""


def writing() -> str:
    """A script that writes them."""
    lines = ["mkdir -p /run/units /run/user-units"]
    for folder, units in (("/run/units", SYSTEM), ("/run/user-units", USER)):
        for name, text in units.items():
            lines.append(f"cat >'{folder}/{name}' <<'END'{text}END")
    return "\n".join(lines) + "\n"
