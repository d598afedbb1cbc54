"""`lamina up`: services as their compose file says."""

from __future__ import annotations

import pytest

from tests.end_to_end.composed.app import App

SLEEP = "{image: busybox, init: true, command: sleep 999}"
TWO = f"services:\n  web: {SLEEP}\n  db: {SLEEP}\n"


def test_all_services_run(app: App) -> None:
    app.has(TWO)
    app.up()
    name = app.folder.name
    assert app.states() == {f"{name}-db-1": "running", f"{name}-web-1": "running"}


def test_a_second_time_changes_nothing(app: App) -> None:
    app.has(TWO)
    app.up()
    before = app.identities()
    told = app.up().err
    assert app.identities() == before
    assert told.count("Running") == 2


def test_what_was_changed_is_made_anew_and_nothing_else(app: App) -> None:
    app.has(TWO)
    app.up()
    before = app.identities()
    app.has(f"services:\n  web: {SLEEP[:-1]}, user: '1000'}}\n  db: {SLEEP}\n")
    app.up()
    after = app.identities()
    name = app.folder.name
    assert before[f"{name}-db-1"] == after[f"{name}-db-1"]
    assert before[f"{name}-web-1"] != after[f"{name}-web-1"]
    assert app.says("web", "id", "-u") == "1000"


def test_what_ended_is_started_again(app: App) -> None:
    app.has(TWO)
    app.up()
    before = app.identities()
    app.compose("stop", "-t", "0", "web")
    app.up()
    assert app.identities() == before
    assert set(app.states().values()) == {"running"}


def test_services_find_each_other_by_name(app: App) -> None:
    app.has(
        "services:\n"
        f"  web: {SLEEP}\n"
        "  db:\n"
        "    image: busybox\n"
        "    init: true\n"
        "    command: sh -c 'echo data > /index.html; exec httpd -f -h /'\n"
        "    healthcheck: {test: wget -qO- http://localhost, interval: 100ms}\n"
    )
    app.up("--wait")
    assert app.says("web", "wget", "-qO-", "http://db") == "data"


def test_a_network_that_a_service_is_not_on_hides_the_others(app: App) -> None:
    app.has(
        "services:\n"
        f"  web: {SLEEP[:-1]}, networks: [front]}}\n"
        f"  api: {SLEEP[:-1]}, networks: [front, back]}}\n"
        f"  db: {SLEEP[:-1]}, networks: [back]}}\n"
        "networks: {front: , back: {internal: true}}\n"
    )
    app.up()
    assert app.says("web", "nslookup", "api")
    assert app.compose("exec", "-T", "web", "nslookup", "db", code=None).code != 0
    assert app.says("api", "nslookup", "db")


def test_a_service_waits_until_another_is_healthy(app: App) -> None:
    app.has(
        "services:\n"
        "  web:\n"
        "    image: busybox\n"
        "    command: cat /shared/ready\n"
        "    volumes: [shared:/shared]\n"
        "    depends_on: {db: {condition: service_healthy}}\n"
        "  db:\n"
        "    image: busybox\n"
        "    init: true\n"
        "    command: sh -c 'sleep 0.5; echo yes > /shared/ready; sleep 999'\n"
        "    healthcheck:\n"
        "      {test: test -e /shared/ready, interval: 100ms, retries: 100}\n"
        "    volumes: [shared:/shared]\n"
        "volumes: {shared: }\n"
    )
    app.up()
    app.compose("wait", "web")
    assert app.compose("logs", "--no-log-prefix", "web").out == "yes\n"


def test_a_service_waits_until_another_has_done(app: App) -> None:
    app.has(
        "services:\n"
        "  web:\n"
        "    image: busybox\n"
        "    command: cat /shared/done\n"
        "    volumes: [shared:/shared]\n"
        "    depends_on: {migrate: {condition: service_completed_successfully}}\n"
        "  migrate:\n"
        "    image: busybox\n"
        "    command: sh -c 'sleep 0.3; echo migrated > /shared/done'\n"
        "    volumes: [shared:/shared]\n"
        "volumes: {shared: }\n"
    )
    told = app.up().err
    assert f"Container {app.folder.name}-migrate-1  Exited" in told


@pytest.mark.parametrize(
    ("command", "condition", "said"),
    [
        ("false", "service_completed_successfully", "exit 1"),
        ("true", "service_healthy", "exited (0)"),
    ],
)
def test_what_it_waits_for_fails(
    app: App, command: str, condition: str, said: str
) -> None:
    app.has(
        "services:\n"
        f"  web: {SLEEP[:-1]}, depends_on: {{db: {{condition: {condition}}}}}}}\n"
        f"  db: {{image: busybox, command: '{command}',\n"
        "       healthcheck: {test: 'true', start_period: 60s, interval: 60s}}\n"
    )
    done = app.up(code=1)
    assert "dependency failed to start" in done.err
    assert said in done.err
    assert f"{app.folder.name}-web-1" not in app.states()


def test_a_dependency_that_is_not_required_may_fail(app: App) -> None:
    app.has(
        "services:\n"
        f"  web: {SLEEP[:-1]}, depends_on: {{db: {{condition: "
        "service_completed_successfully, required: false}}}\n"
        "  db: {image: busybox, command: 'false'}\n"
    )
    app.up()
    assert app.states()[f"{app.folder.name}-web-1"] == "running"


def test_more_containers_of_a_service_and_fewer(app: App) -> None:
    app.has(TWO)
    name = app.folder.name
    app.up("--scale", "web=3")
    assert sorted(app.states()) == [f"{name}-db-1"] + [
        f"{name}-web-{number}" for number in (1, 2, 3)
    ]
    app.compose("scale", "web=1")
    assert sorted(app.states()) == [f"{name}-db-1", f"{name}-web-1"]


def test_one_service_and_what_it_depends_on(app: App) -> None:
    app.has(f"services:\n  web: {SLEEP[:-1]}, depends_on: [db]}}\n  db: {SLEEP}\n")
    name = app.folder.name
    app.up("--no-deps", "web")
    assert set(app.states()) == {f"{name}-web-1"}
    app.up("web")
    assert set(app.states()) == {f"{name}-web-1", f"{name}-db-1"}


def test_services_that_are_no_more_are_told_and_removed_if_so_asked(app: App) -> None:
    app.has(TWO)
    app.up()
    app.has(f"services:\n  web: {SLEEP}\n")
    name = app.folder.name
    assert f"services that are no more ({name}-db-1)" in app.up().err
    app.up("--remove-orphans")
    assert set(app.states()) == {f"{name}-web-1"}


def test_data_outlives_the_container_it_was_made_by(app: App) -> None:
    keys = "volumes: [named:/named, /nameless]"
    app.has(f"services:\n  web: {SLEEP[:-1]}, {keys}}}\nvolumes: {{named: }}\n")
    app.up()
    app.says("web", "sh", "-c", "echo 1 > /named/a; echo 2 > /nameless/b")
    app.up("--force-recreate")
    assert app.says("web", "cat", "/named/a", "/nameless/b") == "1\n2"
    app.up("--force-recreate", "-V")
    assert app.says("web", "ls", "/nameless") == ""


def test_a_folder_of_the_host_is_made(app: App) -> None:
    app.has(f"services:\n  web: {SLEEP[:-1]}, volumes: ['./fresh:/data']}}\n")
    app.up()
    app.says("web", "touch", "/data/made")
    assert (app.folder / "fresh/made").exists()
    kept = "{type: bind, source: ./none, target: /n, bind: {create_host_path: false}}"
    app.has(f"services:\n  web: {SLEEP[:-1]}, volumes: [{kept}]}}\n")
    assert "none cannot be used: No such file" in app.up(code=1).err


def test_what_was_made_without_its_secrets_gets_them(app: App) -> None:
    app.has(
        f"services:\n  web: {SLEEP[:-1]}, configs: [conf]}}\n"
        "configs: {conf: {content: hello}}\n"
    )
    app.compose("create")
    (grant,) = app.lamina.store.glob("containers/*/grants/0")
    grant.unlink()
    app.up()
    assert app.says("web", "cat", "/conf") == "hello"


def test_secrets_and_configs(app: App) -> None:
    app.file("cert.pem", "CERT")
    app.has(
        "services:\n"
        "  web:\n"
        "    image: busybox\n"
        "    init: true\n"
        "    command: sleep 999\n"
        "    secrets: [cert, {source: token, target: key, mode: 0400}]\n"
        "    configs: [{source: conf, target: /etc/app.conf}]\n"
        "secrets: {cert: {file: ./cert.pem}, token: {environment: TOKEN}}\n"
        "configs: {conf: {content: 'level=1'}}\n"
    )
    app.up(env={"TOKEN": "hush"})
    seen = app.says("web", "cat", "/run/secrets/cert", "/run/secrets/key")
    assert seen == "CERThush"
    assert app.says("web", "cat", "/etc/app.conf") == "level=1"
    assert app.says("web", "stat", "-c", "%a", "/run/secrets/key") == "400"


def test_a_variable_of_a_secret_that_is_not_set(app: App) -> None:
    app.has(
        f"services:\n  web: {SLEEP[:-1]}, secrets: [key]}}\n"
        "secrets: {key: {environment: NOT_SET}}\n"
    )
    assert "'NOT_SET'" in app.up(code=1).err


def test_an_image_that_is_built(app: App) -> None:
    app.file("Dockerfile", "FROM busybox\nARG WORD\nRUN echo $WORD > /word\n")
    app.has(
        "services:\n"
        "  web:\n"
        "    build: {context: ., args: {WORD: built}}\n"
        "    init: true\n"
        "    command: sleep 999\n"
    )
    app.up()
    assert app.says("web", "cat", "/word") == "built"
    app.file("Dockerfile", "FROM busybox\nRUN echo again > /word\n")
    app.up()
    assert app.says("web", "cat", "/word") == "built"
    app.up("--build")
    assert app.says("web", "cat", "/word") == "again"


def test_what_runs_goes_on_when_what_replaces_it_cannot_start(app: App) -> None:
    app.has(f"services:\n  web: {SLEEP}\n")
    app.up()
    before = app.identities()
    app.has("services:\n  web: {image: busybox, command: /no/such/program}\n")
    assert "/no/such/program" in app.up(code=127).err
    assert app.identities() == before
    assert set(app.states().values()) == {"running"}


def test_the_namespaces_of_another_service(app: App) -> None:
    app.has(
        "services:\n"
        f"  db: {SLEEP[:-1]}, hostname: data}}\n"
        f"  web: {SLEEP[:-1]}, network_mode: 'service:db', pid: 'service:db'}}\n"
    )
    app.up()
    assert "sleep 999" in app.says("web", "ps")
    inside = app.says("web", "ip", "-o", "addr")
    assert inside == app.says("db", "ip", "-o", "addr")


def test_who_shares_namespaces_is_made_anew_with_their_owner(app: App) -> None:
    shares = f"  web: {SLEEP[:-1]}, network_mode: 'service:db'}}\n"
    app.has(f"services:\n{shares}  db: {SLEEP}\n")
    app.up()
    app.has(f"services:\n{shares}  db: {SLEEP[:-1]}, hostname: other}}\n")
    app.up()
    assert app.says("web", "hostname") != ""
    inside = app.says("web", "ip", "-o", "addr")
    assert inside == app.says("db", "ip", "-o", "addr")


def test_who_depends_on_what_is_made_anew_is_restarted_if_so_asked(app: App) -> None:
    asks = "depends_on: {db: {condition: service_started, restart: true}}"
    web = f"  web: {SLEEP[:-1]}, {asks}}}\n"
    app.has(f"services:\n{web}  db: {SLEEP}\n")
    app.up()
    app.says("web", "touch", "/tmp/kept")
    app.has(f"services:\n{web}  db: {SLEEP[:-1]}, hostname: other}}\n")
    name = app.folder.name
    assert f"Container {name}-web-1  Stopped" in app.up().err
    assert app.says("web", "ls", "/tmp") == "kept"
    told = app.compose("restart", "-t", "0", "db").err
    assert f"Container {name}-web-1  Started" in told


def test_a_replacement_that_was_killed_is_finished(app: App) -> None:
    app.has(f"services:\n  web: {SLEEP}\n")
    app.up()
    before = app.identities()
    name = f"{app.folder.name}-web-1"
    app("rename", name, f"{before[name]}_{name}")
    app.up()
    assert app.identities() == before


def test_commands_after_start_and_before_stop(app: App) -> None:
    app.has(
        "services:\n"
        "  web:\n"
        "    image: busybox\n"
        "    init: true\n"
        "    command: sleep 999\n"
        "    volumes: ['./:/out']\n"
        "    post_start: [{command: sh -c 'echo up > /out/up'}]\n"
        "    pre_stop: [{command: sh -c 'echo down > /out/down'}]\n"
    )
    app.up()
    assert (app.folder / "up").read_text() == "up\n"
    app("down")
    assert (app.folder / "down").read_text() == "down\n"


def test_the_project_of_a_name_and_of_another_file(app: App) -> None:
    app.has(TWO)
    app.file("other.yaml", f"services:\n  web: {SLEEP}\n")
    name = f"{app.folder.name}x"
    app("up", "-d", "-f", "other.yaml", "-p", name)
    found = app("compose", "-p", name, "ps", "-q").out.split()
    assert len(found) == 1
    app("down", "-p", name)
    assert app("compose", "-p", name, "ps", "-aq").out == ""
