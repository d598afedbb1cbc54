"""The commands: which module adds each, and what `lamina --help` says of it."""

from __future__ import annotations

# By topic, in the order in which they are listed.
TOPICS = {
    "Recipes and builds": {
        "build": ("lamina.cli.building.build", "Build an image from a recipe"),
        "watch": (
            "lamina.cli.watching.watch",
            "Build, run, and do it again with each save",
        ),
        "check": (
            "lamina.cli.recipes.check",
            "Show what is wrong with a recipe, or not meant",
        ),
        "graph": (
            "lamina.cli.building.graph",
            "Show the steps that a build consists of",
        ),
        "fmt": ("lamina.cli.recipes.fmt", "Give recipes their one layout"),
        "outline": (
            "lamina.cli.recipes.outline",
            "Show what a recipe offers and asks for",
        ),
        "parse": ("lamina.cli.recipes.parse", "Show the tree of a recipe"),
        "render": ("lamina.cli.recipes.render", "Show what a recipe's template gives"),
        "bootstrap": (
            "lamina.cli.building.bootstrap",
            "Make a base image from a distribution",
        ),
        "log": ("lamina.cli.building.log", "Show builds, and what their steps wrote"),
        "shell": (
            "lamina.cli.building.shell",
            "Look around where a step of a build failed",
        ),
        "lsp": ("lamina.cli.editor.lsp", "Serve an editor: errors, completion, hover"),
    },
    "Services": {
        "up": ("lamina.cli.services.up", "Run the services of a compose file"),
        "down": ("lamina.cli.services.down", "Stop them, and remove what they had"),
        "compose": (
            "lamina.cli.services.compose",
            "What else is done with services, as with docker compose",
        ),
    },
    "Containers": {
        "run": ("lamina.cli.containers.run", "Run a command in a new container"),
        "create": (
            "lamina.cli.containers.create",
            "Make a container, without starting it",
        ),
        "start": ("lamina.cli.containers.start", "Start containers that do not run"),
        "attach": (
            "lamina.cli.containers.start",
            "Watch a running container, and type into it",
        ),
        "exec": ("lamina.cli.containers.exec", "Run a command in a running container"),
        "ps": ("lamina.cli.containers.ps", "List containers"),
        "logs": ("lamina.cli.containers.logs", "Show what a container wrote"),
        "top": ("lamina.cli.containers.top", "List the processes of a container"),
        "stats": ("lamina.cli.containers.stats", "Show what containers use"),
        "port": (
            "lamina.cli.containers.port",
            "List the published ports of a container",
        ),
        "wait": ("lamina.cli.containers.lifecycle", "Wait until containers stop"),
        "stop": ("lamina.cli.containers.lifecycle", "Stop containers"),
        "restart": ("lamina.cli.containers.start", "Restart containers"),
        "kill": ("lamina.cli.containers.lifecycle", "Send a signal to containers"),
        "pause": ("lamina.cli.containers.lifecycle", "Let containers stand still"),
        "unpause": ("lamina.cli.containers.lifecycle", "Let paused containers go on"),
        "update": (
            "lamina.cli.containers.update",
            "Change limits and the restart policy of containers",
        ),
        "rename": ("lamina.cli.containers.lifecycle", "Give a container another name"),
        "rm": ("lamina.cli.containers.lifecycle", "Remove containers"),
        "cp": (
            "lamina.cli.containers.cp",
            "Copy files between a container and the host",
        ),
        "diff": (
            "lamina.cli.containers.changes",
            "Show what a container changed, or how images differ",
        ),
        "commit": (
            "lamina.cli.containers.changes",
            "Make an image of a container's changes",
        ),
        "export": (
            "lamina.cli.containers.changes",
            "Write a container's files as a tar",
        ),
    },
    "Images": {
        "images": ("lamina.cli.images.images", "List images"),
        "rmi": ("lamina.cli.images.images", "Remove images"),
        "tag": ("lamina.cli.images.images", "Give an image another name"),
        "history": ("lamina.cli.inspection", "Show how an image was made"),
        "layers": (
            "lamina.cli.images.layers",
            "Show what each layer of an image brings",
        ),
        "inspect": ("lamina.cli.inspection", "Show images and containers as JSON"),
        "pull": ("lamina.cli.registries.pull", "Get an image from a registry"),
        "push": ("lamina.cli.registries.push", "Send an image to a registry"),
        "copy": (
            "lamina.cli.registries.copy_image",
            "Copy an image between registries and archives",
        ),
        "login": ("lamina.cli.registries.login", "Log in to a registry"),
        "logout": ("lamina.cli.registries.login", "Log out of a registry"),
        "load": ("lamina.cli.images.archives", "Load images from an archive"),
        "save": ("lamina.cli.images.archives", "Save images to an archive"),
        "import": ("lamina.cli.images.archives", "Make an image from a tar of files"),
    },
    "All the rest": {
        "network": (
            "lamina.cli.networks.network",
            "Make, list, show, join and remove networks",
        ),
        "volume": ("lamina.cli.volumes.volume", "Make, list, show and remove volumes"),
        "events": ("lamina.cli.system.events", "Show what happens in the store"),
        "system": (
            "lamina.cli.system.system",
            "Check and prune the store, start what is to run",
        ),
        "info": (
            "lamina.cli.system.info",
            "Show figures of the store and the machine",
        ),
        "version": (
            "lamina.cli.system.version",
            "Show the versions of Lamina, Python and the kernel",
        ),
        "completion": (
            "lamina.cli.completion.completion",
            "Print a shell's script for completion",
        ),
        "container": (
            "lamina.cli.groups.container",
            "Containers, in docker's other spelling",
        ),
        "image": ("lamina.cli.groups.image", "Images, in docker's other spelling"),
        "builder": ("lamina.cli.groups.builder", "Builds, in docker's other spelling"),
        "buildx": ("lamina.cli.groups.builder", "Builds, in docker's other spelling"),
    },
}

COMMANDS = {name: about for topic in TOPICS.values() for name, about in topic.items()}


def listing() -> str:
    """The commands by topic, a line each."""
    width = max(map(len, COMMANDS))
    parts = []
    for topic, commands in TOPICS.items():
        lines = [f"  {name:{width}}  {about}" for name, (_, about) in commands.items()]
        parts += ["", f"{topic}:", *lines]
    return "\n".join([*parts, "", "`lamina COMMAND --help` says more.", ""])
