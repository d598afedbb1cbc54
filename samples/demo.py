"""make demo: build a web application, serve it, change a file, build again.

Everything goes through the `lamina` command, as a user would type it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
LAMINA = os.path.join(os.path.dirname(sys.executable), "lamina")
# Lent to the step that runs pip: a network may have certificates of its own.
BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
CERTIFICATES = ["--secret", f"id=ca,src={BUNDLE}"] if os.path.exists(BUNDLE) else []
NAME = f"lamina-demo-{os.getpid()}"


def say(text: str) -> None:
    print(f"\n\x1b[1m{text}\x1b[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)


def lamina(*args: str, capture: bool = False) -> str:
    print(f"$ lamina {' '.join(args)}", flush=True)
    done = subprocess.run(
        [LAMINA, *args], stdout=subprocess.PIPE if capture else None, text=True
    )
    if done.returncode:
        sys.exit(f"the demo stops here: exit code {done.returncode}")
    return (done.stdout or "").strip()


def build(project: str) -> float:
    began = time.monotonic()
    lamina("build", "-t", "lamina-demo", *CERTIFICATES, project)
    return time.monotonic() - began


def fetch(port: int) -> str:
    """The page, as soon as the server answers."""
    deadline = time.monotonic() + 30
    while True:
        try:
            url = f"http://127.0.0.1:{port}/"
            with urllib.request.urlopen(url, timeout=5) as response:
                return response.read().decode()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def serve() -> str:
    """Run the image, fetch its page, stop it; the page's heading."""
    lamina("run", "-d", "--name", NAME, "-p", "127.0.0.1::8000", "lamina-demo")
    try:
        ports = lamina("port", NAME, "8000/tcp", capture=True)
        port = int(ports.splitlines()[0].rpartition(":")[2])
        page = fetch(port)
        print(f"http://127.0.0.1:{port}/ says: {heading(page)}")
        state = json.loads(lamina("inspect", NAME, capture=True))[0]["State"]
        print(f"the container is {state['Status']}, pid {state['Pid']}")
    finally:
        lamina("rm", "-f", NAME)
    return heading(page)


def heading(page: str) -> str:
    return page.partition("<h1>")[2].partition("</h1>")[0]


def main() -> None:
    folder = tempfile.mkdtemp(prefix="lamina-demo.")
    project = os.path.join(folder, "web")
    try:
        shutil.copytree(os.path.join(HERE, "web"), project)
        say("1. Build a web application: Debian, Python, pip, our code")
        first = build(project)
        say("2. Run it, and fetch its page through a published port")
        assert serve() == "Hello from a container"
        say("3. Change one file, and build again: only its layer is made")
        path = os.path.join(project, "app", "__init__.py")
        with open(path) as file:
            text = file.read()
        with open(path, "w") as file:
            file.write(text.replace("Hello from a", "Hello again from a"))
        second = build(project)
        say("4. Run the new image")
        assert serve() == "Hello again from a container"
        say(f"Done: {first:.2f} s for the first build, {second:.2f} s for the second.")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
