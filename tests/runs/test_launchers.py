"""Launchers of sweeps: how a user names one, and the order in which runs are handed out."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from calibench.config.run_config import RunConfig
from calibench.config.suite import load_suite
from calibench.runs.launchers import ray_cluster
from calibench.runs.launchers.choose import choose_launcher
from calibench.runs.launchers.ray_task import LateLog
from calibench.runs.launchers.waiting import TRIES, Waiting


@pytest.fixture(scope="module")
def configs() -> list[RunConfig]:
    """576 runs, many of which share the training of stage 1."""
    return list(load_suite("quick-v1").configs())


def group_of(config: RunConfig) -> Any:
    """What decides the training of stage 1."""
    return config.objective.text(), config.dataset.text(), config.model.text(), config.seed


@pytest.mark.parametrize("seed", range(5))
def test_every_run_is_handed_out_once_and_one_of_a_group_goes_ahead(configs: list[RunConfig], seed: int) -> None:
    chance, waiting = random.Random(seed), Waiting(configs)
    running: list[int] = []
    ended: list[int] = []
    trained: set[Any] = set()
    while len(waiting) or running:
        while len(running) < 4 and (number := waiting.take()) is not None:
            others = {group_of(configs[other]) for other in running}
            assert group_of(configs[number]) in trained or group_of(configs[number]) not in others
            running.append(number)
        assert running, "somebody always goes on"
        number = running.pop(chance.randrange(len(running)))
        match chance.choice(("end", "end", "end", "busy", "die")):
            case "busy":
                waiting.back(number)
            case "die" if waiting.died(number):
                pass
            case _:
                waiting.ended(number)
                trained.add(group_of(configs[number]))
                ended.append(number)
    assert sorted(ended) == list(range(len(configs)))


def test_runs_are_handed_out_in_order_and_a_busy_one_last(configs: list[RunConfig]) -> None:
    few = [config for config in configs if config.recipe in ("ce", "focal", "mixup")][:3]
    waiting = Waiting(few)
    assert [waiting.take(), waiting.take()] == [0, 1]
    waiting.back(0)
    assert [waiting.take(), waiting.take(), waiting.take()] == [2, 0, None]


def test_a_run_is_tried_three_times(configs: list[RunConfig]) -> None:
    waiting = Waiting(configs[:1])
    again = []
    for _ in range(TRIES):
        assert waiting.take() == 0
        again.append(waiting.died(0))
    assert again == [True, True, False]
    assert len(waiting) == 0


def test_a_launcher_has_its_parameters() -> None:
    assert choose_launcher().name == "local"
    ray = choose_launcher("ray:gpus=0.25,retries=5", "host:6379")
    assert (ray.name, ray.params["gpus"], ray.params["retries"]) == ("ray", 0.25, 5)
    assert ray.params["address"] == "host:6379"


def test_mistakes_are_named(refused: Any) -> None:
    sweep = ("sweep", "quick-v1", "--launcher")
    refused(*sweep, "rai", says="there is no launcher called 'rai'", hint="did you mean 'ray'?")
    refused(*sweep, "ray:gpu=1", says="launcher 'ray' has no parameter 'gpu'", hint="did you mean 'gpus'?")
    refused(*sweep, "local", "--address", "auto", says="'local' has no address", hint="with an address: ray")
    refused(*sweep, "ray:address=auto", "--address", "auto", says="has an address already", hint="one of the two")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--launcher", "ray", "--address", "nowhere"), "--address nowhere: this is no address"),
        (("--launcher", "ray", "--address", "127.0.0.1:1"), "no Ray cluster answers there"),
        (("--launcher", "ray:gpus=1"), "the launcher and the runs both ask for one"),
    ],
)
def test_mistakes_with_ray_are_named(cli: Any, words: tuple[str, ...], says: str) -> None:
    pytest.importorskip("ray")
    ran = cli("sweep", "quick-v1", *words)
    assert ran.code == 2
    assert says in ran.err
    assert "Traceback" not in ran.err


def test_without_ray_the_extra_is_named(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    ran = cli("sweep", "quick-v1", "--launcher", "ray")
    assert ran.code == 2
    assert 'pip install "calibench[ray]"' in ran.err


def test_folders_of_dead_clusters_are_removed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ray_cluster, "Path", lambda text: tmp_path if text == "/tmp" else Path(text))
    dead, alive = tmp_path / "calibench-ray-4194999-x", tmp_path / "calibench-ray-1-x"
    for folder in (dead, alive):
        folder.mkdir()
    ray_cluster._remove_folders_of_the_dead()
    assert [folder.name for folder in tmp_path.iterdir()] == [alive.name]


def test_a_late_log_exists_once_something_is_printed(tmp_path: Path) -> None:
    log = LateLog(tmp_path / "logs" / "x.log")
    assert not (tmp_path / "logs").exists()
    print("one", file=log)
    print("two", file=log)
    assert (tmp_path / "logs" / "x.log").read_text() == "one\ntwo\n"
