"""`calibench.run`: what a program calls, from names, modules and arrays to records."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Unpack, overload

from torch import nn

from calibench.arguments import RunOptions, numbers, words
from calibench.data.given import as_dataset
from calibench.models.given import as_model
from calibench.models.network import Task
from calibench.preset_file import load_preset
from calibench.presets import configure
from calibench.results import ResultRecord
from calibench.runner import pick_device, quiet, run_reporting
from calibench.stages import Report

Model = str | nn.Module | Callable[[Task], nn.Module] | None
"""What `run` takes as a model."""


@overload
def run(
    method: str | None = None,
    dataset: Any = None,
    model: Model = None,
    seed: int | None = None,
    noise: str | None = None,
    *,
    preset: None = None,
    **options: Unpack[RunOptions],
) -> ResultRecord: ...


@overload
def run(
    method: str | Sequence[str] | None = None,
    dataset: Any = None,
    model: Model = None,
    seed: int | Sequence[int] | None = None,
    noise: str | None = None,
    *,
    preset: str | Path,
    **options: Unpack[RunOptions],
) -> list[ResultRecord]: ...


def run(
    method: str | Sequence[str] | None = None,
    dataset: Any = None,
    model: Model = None,
    seed: int | Sequence[int] | None = None,
    noise: str | None = None,
    *,
    preset: str | Path | None = None,
    trained: bool | None = None,
    head: str | None = None,
    epochs: int | None = None,
    select: str | None = None,
    settings: Sequence[str] = (),
    results: str | Path | None = "results",
    force: bool = False,
    device: str = "auto",
    compile: bool = False,  # noqa: A002 - as torch and the command line call it
    data_dir: str | Path | None = None,
    download: bool = False,
    report: Report = quiet,
    shift: str | Sequence[str] = (),
    ood: str | Sequence[str] = (),
    ood_score: str | Sequence[str] = (),
) -> ResultRecord | list[ResultRecord]:
    """Train or refit `model` on `dataset` by the recipe `method`, judge it on test, and store the record under `results`.

    Names follow the command line (`vtst:latent_dim=64+temperature`); `settings` are `stage.key=value`. What is not said is
    the recipe `ce`, seed 0, and the default dataset and model.

    `model` may also be a torch module, which stays as it is: trained, or with `trained=False` where stage 1 begins; a
    function `task -> module`, which stage 1 trains unless `trained=True`; or a `calibench.Network`. Its last linear layer
    is the head, or the part that `head` names. `dataset` may be `calibench.Arrays`, a pair (x, y) of arrays or tensors, a
    torch Dataset, four of these (train, val, cal, test), or a mapping by split name; splits that are missing are held out.

    With a `preset`, a name or the path of a .toml, a list of records comes back, one a recipe and seed; what is given
    beside it wins, and there may be several recipes and seeds.

    `compile` trains a body that torch.compile has compiled. `shift` and `ood` are what the trained pipeline is judged on
    besides, as in `["corruptions", "rotation"]` and `["near", "svhn"]`, the latter by the `ood_score`s.

    A run that is there already, made by the same code from the same data, is returned as it is unless `force`.
    `results=None` writes nothing. Published datasets are read from `data_dir` (None: CALIBENCH_DATA, or
    ~/.cache/calibench/data), and fetched into it only if `download` says so. Raises InputError for the user's mistakes,
    before anything is written, and RunError for runs that fail.
    """
    several = preset is not None
    configs = configure(
        load_preset(preset) if preset is not None else None,
        methods=words("method", method, several) or (() if several else ("ce",)),
        dataset=as_dataset(dataset),
        model=as_model(model, trained, head),
        noise=noise,
        seeds=numbers("seed", seed, several),
        epochs=epochs,
        select=select,
        settings=words("settings", settings, True),
        device=pick_device(device),
        compiled=compile,
        shift=words("shift", shift, True),
        ood=words("ood", ood, True),
        ood_score=words("ood_score", ood_score, True),
    )
    made: set[str] = set()
    records = [
        run_reporting(
            config,
            results=None if results is None else Path(results),
            force=force,
            report=report,
            made=made,
            data_dir=data_dir,
            download=download,
        )[0]
        for config in configs
    ]
    return records if several else records[0]
