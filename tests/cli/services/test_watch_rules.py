"""What follows when a file is saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lamina.cli.services.watch_rules import Rule, Work, rules_of, work_for
from tests.services.projects import of_services

COMMAND = {"command": ["reload"]}


def _rules(place: Path, *watch: dict[str, Any], **more: Any) -> tuple[Rule, ...]:
    rules = [{"path": str(place), "target": "/app", **one} for one in watch]
    return rules_of(of_services(web={"develop": {"watch": rules}, **more}).services)


def test_a_file_belongs_below_the_target(tmp_path: Path) -> None:
    (rule,) = _rules(tmp_path, {"action": "sync"})
    assert rule.place(f"{tmp_path}/a/b.py") == "/app/a/b.py"


def test_a_rule_for_one_file(tmp_path: Path) -> None:
    (rule,) = _rules(tmp_path / "conf", {"action": "sync", "target": "/etc/conf"})
    assert rule.is_for(f"{tmp_path}/conf")
    assert rule.place(f"{tmp_path}/conf") == "/etc/conf"
    assert not rule.is_for(f"{tmp_path}/conf2")


def test_what_is_not_looked_at(tmp_path: Path) -> None:
    (rule,) = _rules(
        tmp_path, {"action": "sync", "ignore": ["node_modules/", "**/*.o"]}
    )
    for name in ("node_modules/x/y.js", "a/b.o", ".git/HEAD", "a.py~", ".a.py.swp"):
        assert not rule.is_for(f"{tmp_path}/{name}"), name
    assert rule.is_for(f"{tmp_path}/a/b.c")
    assert not rule.is_for("/elsewhere/a.c")


def test_what_the_context_leaves_out_is_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / ".dockerignore").write_text("dist\n")
    build = {"context": str(tmp_path)}
    (rule,) = _rules(tmp_path, {"action": "rebuild"}, build=build)
    assert not rule.is_for(f"{tmp_path}/dist/app.js")
    (rule,) = _rules(tmp_path, {"action": "rebuild"})
    assert rule.is_for(f"{tmp_path}/dist/app.js")


def test_some_files_alone(tmp_path: Path) -> None:
    (rule,) = _rules(tmp_path, {"action": "sync", "include": "**/*.py"})
    assert rule.is_for(f"{tmp_path}/a/b.py")
    assert not rule.is_for(f"{tmp_path}/a/b.txt")
    assert rule.covers(f"{tmp_path}/a")


def test_all_that_follows_is_put_together(tmp_path: Path) -> None:
    rules = _rules(
        tmp_path,
        {"action": "sync+exec", "include": "*.py", "exec": COMMAND},
        {"action": "sync+restart", "include": "*.conf"},
    )
    found = work_for(rules, [f"{tmp_path}/b.py", f"{tmp_path}/a.conf"])
    assert found == {
        "web": Work(
            rebuild=False,
            restart=True,
            synced=(
                (f"{tmp_path}/b.py", "/app/b.py"),
                (f"{tmp_path}/a.conf", "/app/a.conf"),
            ),
            commands=(COMMAND,),
        )
    }


def test_nothing_follows(tmp_path: Path) -> None:
    rules = _rules(tmp_path, {"action": "restart", "include": "*.py"})
    assert work_for(rules, [f"{tmp_path}/a.txt"]) == {}
