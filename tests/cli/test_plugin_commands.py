"""`calibench plugin list` and `calibench plugin check`: what they print, as lines and as JSON, and their exit codes."""

from __future__ import annotations

import pytest

from calibench.testing import conformance
from calibench.testing.verdict import Verdict

GOOD = """
import calibench

CALIBENCH_API = "1.0"

@calibench.hookimpl
def calibench_noises():
    return [calibench.NoiseSpec(name="up", target=f"{__name__}:up", summary="Every label moves up by one.")]

def up(labels, num_classes, generator):
    return (labels + 1) % num_classes
"""


def test_list_names_origin_api_time_and_items(cli, install_plugin):
    install_plugin("my_module", GOOD)
    document = cli("plugin", "list", "--json").document
    assert document["schema"] == "calibench.plugin-list/1"
    plugins = {plugin["name"]: plugin for plugin in document["plugins"]}
    mine = plugins["my-module"]
    assert (mine["distribution"], mine["version"], mine["api"], mine["status"]) == (
        "my-module-dist",
        "3.1",
        "1.0",
        "loaded",
    )
    assert mine["path"].endswith("my_module.py")
    assert mine["adds"] == {"noise": ["up"]}
    assert 0 < mine["seconds"] < 60
    assert "vtst" in plugins["calibench-methods"]["adds"]["method"]
    table = cli("plugin", "list").out
    assert "my-module-dist 3.1" in table
    assert "1 noise" in table


def test_list_counts_the_lifecycle_hooks_that_a_plugin_hears(cli, install_plugin):
    hook = "import calibench\n@calibench.hookimpl\ndef calibench_run_finished(event): ..."
    install_plugin("my_module", hook)
    plugins = {plugin["name"]: plugin for plugin in cli("plugin", "list", "--json").document["plugins"]}
    assert plugins["my-module"]["hears"] == ["calibench_run_finished"]
    assert plugins["my-module"]["adds"] == {}
    assert plugins["calibench-models"]["hears"] == []
    (line,) = [line for line in cli("plugin", "list").out.splitlines() if "my-module-dist" in line]
    assert line.rstrip().endswith("1 lifecycle hook")


def test_list_says_why_a_plugin_failed(cli, install_plugin):
    install_plugin("my_module", "raise RuntimeError('no licence')")
    ran = cli("plugin", "list")
    assert ran.code == 0
    assert "my-module is broken: RuntimeError: no licence" in ran.out
    broken = next(p for p in cli("plugin", "list", "--json").document["plugins"] if p["name"] == "my-module")
    assert (broken["status"], broken["error"]) == ("broken", "RuntimeError: no licence")


def test_list_escapes_what_a_plugin_says(cli, install_plugin):
    install_plugin("my_module", "raise RuntimeError('\\x1b[31mred [bold]x')")
    out = cli("plugin", "list").out
    assert "\x1b" not in out
    assert "[bold]x" in out


def test_the_trace_has_each_import_and_hook(cli, install_plugin, monkeypatch):
    monkeypatch.setenv("CALIBENCH_TRACE_PLUGINS", "1")
    install_plugin("my_module", GOOD)
    lines = [line for line in cli("list", "noises").err.splitlines() if "'my-module'" in line]
    assert [line.partition("): ")[2].rpartition(": ")[0] for line in lines] == ["import", "calibench_noises"]
    assert lines[1].endswith(" ms, 1 specs")
    monkeypatch.setenv("CALIBENCH_TRACE_PLUGINS", "0")
    assert cli("plugin", "list").err == ""


@pytest.fixture
def verdicts(monkeypatch, tmp_path):
    """A plugin file, whose checks are replaced by three verdicts."""
    found = [
        Verdict("import", "ok", "1 names", plugin="mine"),
        Verdict("deterministic", "fails", "two runs differ\x1b[2J", "use a seed", "method [red]x", "mine"),
        Verdict("device", "does not apply", "no GPU", item="method [red]x", plugin="mine"),
    ]
    monkeypatch.setattr(conformance, "plugin_verdicts", lambda sources, **options: iter(found))
    (tmp_path / "mine.py").write_text(GOOD)
    return found


def test_check_prints_a_line_a_check_and_ends_with_1(cli, verdicts):
    ran = cli("plugin", "check", "mine.py")
    assert ran.code == 1
    lines = [line.rstrip() for line in ran.out.splitlines()]
    assert lines == [
        "plugin mine",
        "  ok              import: 1 names",
        "method [red]x",
        "  fails           deterministic: two runs differ\\x1b[2J",
        "                  use a seed",
        "  does not apply  device: no GPU",
        "1 ok, 1 fails, 1 does not apply",
    ]
    assert [line for line in cli("plugin", "check", "mine.py", "-q").out.splitlines() if "ok  " in line] == []


def test_check_as_json(cli, verdicts):
    ran = cli("plugin", "check", "mine.py", "--json")
    assert (ran.code, ran.document["schema"]) == (1, "calibench.plugin-check/1")
    assert ran.document["counts"] == {"ok": 1, "fails": 1, "does not apply": 1}
    assert ran.document["verdicts"][1]["remedy"] == "use a seed"


@pytest.mark.parametrize(
    ("target", "says", "hint"),
    [
        ("no-such-plugin", "there is no plugin 'no-such-plugin', and no such file or folder", "known: calibench-"),
        ("calibench-method", "there is no plugin 'calibench-method'", "calibench-methods"),
        (".", "has no pyproject.toml", "calibench plugin new"),
        ("gone.py", "gone.py does not exist", ".py"),
    ],
)
def test_check_refuses_what_is_no_plugin(refused, target, says, hint):
    refused("plugin", "check", target, says=says, hint=hint)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[project", "cannot be read"),
        ("[project]\nname = 'x'", "declares no plugin"),
        ("project = 3", "cannot be read"),
    ],
)
def test_check_refuses_a_folder_without_a_plugin(refused, tmp_path, text, says):
    (tmp_path / "pyproject.toml").write_text(text)
    refused("plugin", "check", says=says)
