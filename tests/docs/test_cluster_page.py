"""The guide to clusters: its commands plan their sweep, the Slurm script is bash, and the RayJob is YAML with such a command."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "guides" / "cluster.md").read_text(encoding="utf-8")


def block(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def sweeps() -> list[str]:
    """Every `calibench sweep` of the page, with its options."""
    text = "\n".join([*block("sh"), *block("bash"), *block("yaml")]).replace("\\\n", " ")
    return [line.partition("#")[0].strip() for line in re.findall(r"calibench sweep .*", text)]


def test_the_page_has_its_scripts() -> None:
    assert len(sweeps()) == 7
    assert (len(block("bash")), len(block("yaml"))) == (1, 1)


@pytest.mark.parametrize("command", sorted(set(sweeps())))
def test_a_sweep_of_the_page_is_planned(command: str, cli: Any, tmp_path: Path) -> None:
    for name in ("s3://bucket/results", "/shared/results", "$SCRATCH/results", "/results"):
        command = re.sub(rf"{re.escape(name)}(?=[ \"]|$)", f"{tmp_path}/r", command)
    document = cli(*shlex.split(command)[1:], "--dry-run", "--json").document
    assert document["cells"] == len(document["missing"]) == 576


def test_the_slurm_script_is_bash() -> None:
    subprocess.run(["bash", "-n"], input=block("bash")[0], text=True, check=True)


def test_the_ray_job_starts_a_sweep_where_its_volume_is() -> None:
    yaml = pytest.importorskip("yaml")
    spec = yaml.safe_load(block("yaml")[0])["spec"]
    assert spec["entrypoint"] in sweeps()
    groups = [spec["rayClusterSpec"]["headGroupSpec"], *spec["rayClusterSpec"]["workerGroupSpecs"]]
    for group in groups:
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert [mounts[volume["name"]] for volume in pod["volumes"]] == ["/results"]
