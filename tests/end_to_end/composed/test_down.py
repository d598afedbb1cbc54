"""`lamina down`: what a project had is gone, what others have stays."""

from __future__ import annotations

from tests.end_to_end.composed.app import App

SLEEP = "{image: busybox, init: true, command: sleep 999}"


def _networks(app: App) -> set[str]:
    return set(app("network", "ls", "--format", "{{.Name}}").out.split())


def _volumes(app: App) -> set[str]:
    return set(app("volume", "ls", "-q").out.split())


def test_containers_and_networks_go_and_volumes_stay(app: App) -> None:
    app.has(
        f"services:\n  web: {SLEEP[:-1]}, volumes: [data:/data, /own]}}\n"
        "volumes: {data: }\n"
    )
    app.up()
    name = app.folder.name
    app("down", "-t", "0")
    assert app.states() == {}
    assert f"{name}_default" not in _networks(app)
    assert f"{name}_data" in _volumes(app)
    app("down", "-v")
    assert f"{name}_data" not in _volumes(app)


def test_nameless_volumes_go_with_v_though_taken_over(app: App) -> None:
    app.has(f"services:\n  web: {SLEEP[:-1]}, volumes: [/own]}}\n")
    app.up()
    app.up("--force-recreate", "-t", "0")
    assert len(_volumes(app)) == 1
    app("down", "-v", "-t", "0")
    assert _volumes(app) == set()


def test_what_is_external_stays(app: App) -> None:
    shared = f"{app.folder.name}shared"
    app("network", "create", shared)
    app("volume", "create", shared)
    app.has(
        f"services:\n  web: {SLEEP[:-1]}, networks: [net], volumes: [vol:/v]}}\n"
        f"networks: {{net: {{external: true, name: {shared}}}}}\n"
        f"volumes: {{vol: {{external: true, name: {shared}}}}}\n"
    )
    app.up()
    app("down", "-v", "-t", "0")
    assert shared in _networks(app)
    assert shared in _volumes(app)
    app("network", "rm", shared)


def test_what_is_external_has_to_be_there(app: App) -> None:
    app.has(
        f"services:\n  web: {SLEEP[:-1]}, networks: [net]}}\n"
        "networks: {net: {external: true, name: nowhere}}\n"
    )
    assert "network nowhere declared as external" in app.up(code=1).err


def test_a_network_of_somebody_else_is_not_taken(app: App) -> None:
    name = f"{app.folder.name}_default"
    app("network", "create", name)
    app.has(f"services:\n  web: {SLEEP}\n")
    assert "is of no project" in app.up(code=None).err
    app("network", "rm", name)


def test_one_service(app: App) -> None:
    app.has(f"services:\n  web: {SLEEP}\n  db: {SLEEP}\n")
    app.up()
    app("down", "-t", "0", "web")
    assert set(app.states()) == {f"{app.folder.name}-db-1"}


def test_without_the_file(app: App) -> None:
    app.has(
        f"services:\n  web: {SLEEP[:-1]}, volumes: [data:/d]}}\nvolumes: {{data: }}\n"
    )
    app.up()
    name = app.folder.name
    (app.folder / "compose.yaml").rename(app.folder / "gone")
    app("down", "-p", name, "-v", "-t", "0")
    assert f"{name}_default" not in _networks(app)
    assert f"{name}_data" not in _volumes(app)
    (app.folder / "gone").rename(app.folder / "compose.yaml")
    assert app.states() == {}


def test_images_that_were_built_go_if_so_asked(app: App) -> None:
    app.file("Dockerfile", "FROM busybox\nRUN echo 1 > /one\n")
    app.has(
        "services:\n"
        "  web: {build: ., init: true, command: sleep 999}\n"
        f"  db: {SLEEP}\n"
    )
    app.up()
    app("down", "--rmi", "local", "-t", "0")
    names = app("images", "--format", "{{.Repository}}").out.split()
    assert [name for name in names if "web" in name] == []
    assert "busybox" in names
