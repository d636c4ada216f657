"""Checks of a method: small runs on toy data, watched, repeated, with other test rows, and without a class."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch

from calibench.config.grammar import Bound
from calibench.config.run_config import RunConfig
from calibench.data.arrays import Arrays
from calibench.errors import CalibenchError
from calibench.outputs.outputs import Outputs
from calibench.plugins.specs import MethodSpec
from calibench.stages import Calibrator, DecisionRule, Objective
from calibench.stages.build import build_stage
from calibench.stages.objective import Batch
from calibench.testing.any_item import Item, code_counts, documented, pickles, typed
from calibench.testing.recipe_run import StagesRun, run_stages, same, same_run, small_config, with_stage
from calibench.testing.rows_alone import refuse_other_rows
from calibench.testing.toy import toy_arrays
from calibench.testing.verdict import Check, DoesNotApplyError, FailsError, raised_by_plugin
from calibench.testing.watch import Watch, confirmed, refuse_changes, refuse_seeding, watched_spec

IDLE = "the method does not run"

SPOILED = "changed inputs"
"""The memory of calls that changed an input, which ended the run."""


def _spec(item: Item) -> MethodSpec:
    assert isinstance(item.spec, MethodSpec)
    return item.spec


def _config(item: Item, arrays: Arrays | None = None) -> RunConfig:
    item.refuse_missing()
    settings = [text for text in item.settings if text.partition(".")[0] == item.spec.name]
    return small_config(_spec(item), arrays, settings)


def _bound(item: Item) -> Bound:
    """The method with its parameters in small runs."""
    return next(stage for stage in _config(item).stages if stage.name == item.spec.name)


def _stage(item: Item) -> Any:
    """The stage of the method, built as a run builds it."""
    return build_stage(_bound(item))


def _watched(item: Item) -> tuple[StagesRun, Watch]:
    """A run whose calls of the method are watched."""

    def make(base: RunConfig) -> tuple[StagesRun, Watch]:
        watch = Watch()
        config = with_stage(base, item.spec.name, watched_spec(_spec(item), watch))
        try:
            return run_stages(config), watch
        except CalibenchError as error:
            if not watch.changed:
                raise
            item.memory[SPOILED] = watch
            raise DoesNotApplyError("it changes an input in place, which ends the run") from error

    def confirmed_run() -> tuple[StagesRun, Watch]:
        base = _config(item)  # which builds the method too, unwatched
        return confirmed(lambda: make(base))

    run: tuple[StagesRun, Watch] = item.shared("watched", confirmed_run, IDLE)
    return run


def _run(item: Item) -> StagesRun:
    """A run on toy data."""
    _watched(item)
    run: StagesRun = item.shared("run", lambda: run_stages(_config(item)), IDLE)
    return run


def probabilities(item: Item) -> None:
    """A small run ends with probabilities in [0, 1] that sum to 1."""
    run, _ = _watched(item)
    for name in ("cal", "test"):
        refuse_bad(getattr(run, name), f"on {name}")


def refuse_bad(outputs: Outputs, where: str) -> None:
    """FailsError for probabilities outside [0, 1], NaN, or rows that do not sum to 1."""
    probs = outputs.probs()
    if not bool(torch.isfinite(probs).all()):
        raise FailsError(f"probabilities {where} are NaN or infinite")
    if bool((probs < 0).any()) or bool((probs > 1 + 1e-6).any()):
        extreme = probs.max() if bool((probs > 1 + 1e-6).any()) else probs.min()
        raise FailsError(f"a probability {where} is {float(extreme):.4g}, outside [0, 1]")
    error = float((probs.sum(dim=1) - 1).abs().max())
    if error > 1e-3:
        raise FailsError(f"a row of probabilities {where} sums to 1 only within {error:.2g}")


def deterministic(item: Item) -> None:
    """Two runs of one seed are equal to the last bit."""
    first, second = _watched(item)[0], _run(item)
    if not same_run(first, second):
        parts = [name for name in StagesRun._fields if not same(getattr(first, name), getattr(second, name))]
        raise FailsError(f"two runs of one seed differ in {', '.join(parts)}")


def inputs_unchanged(item: Item) -> None:
    """No call changes a tensor or array that it gets."""
    if SPOILED in item.memory:
        refuse_changes(item.memory[SPOILED])
    refuse_changes(_watched(item)[1])


def seeds_untouched(item: Item) -> None:
    """No call seeds a global generator, or draws from those of Python and numpy."""
    refuse_seeding(_watched(item)[1])


def test_unseen(item: Item) -> None:
    """Other test rows and labels change neither what is fitted nor the outputs on cal."""
    arrays, run = toy_arrays(), _run(item)
    assert arrays.test is not None
    if not same_run(run, _watched(item)[0]):
        raise DoesNotApplyError("two equal runs differ")
    x, y = arrays.test
    other = small_run(item, dataclasses.replace(arrays, test=(x[::-1] + 1, (y + 1) % 3)))
    parts = [name for name in ("fitted", "cal") if not same(getattr(run, name), getattr(other, name))]
    if parts:
        raise FailsError(f"with other test rows and labels it differs in {', '.join(parts)}: it sees the test split")


def rows_alone(item: Item) -> None:
    """A calibrator without `adapt` maps a row the same beside other rows."""
    stage = _stage(item)
    if not isinstance(stage, Calibrator):
        raise DoesNotApplyError("it is no calibrator")
    if type(stage).adapt is not Calibrator.adapt:
        raise DoesNotApplyError("it takes values from the rows in `adapt`")
    _run(item)
    refuse_other_rows(_bound(item))


def small_run(item: Item, arrays: Arrays) -> StagesRun:
    """A run on these arrays."""
    return run_stages(_config(item, arrays))


def absent_class(item: Item) -> None:
    """A class without rows in cal or train, or a cal of one class, gives valid probabilities, or a refusal by the method."""
    _run(item)
    arrays = toy_arrays()
    if _spec(item).kind == "objective":
        rows = arrays.y != 2
        missing = dataclasses.replace(arrays, x=arrays.x[rows], y=arrays.y[rows])
        _valid_or_refused(item, missing, "where train has no row of class 2")
    assert arrays.cal is not None
    x, y = arrays.cal
    _valid_or_refused(item, dataclasses.replace(arrays, cal=(x[y != 2], y[y != 2])), "where cal has no row of class 2")
    if item.spec.family == "method" and _spec(item).kind in {"calibrator", "decision"}:
        _valid_or_refused(item, dataclasses.replace(arrays, cal=(x[y == 1], y[y == 1])), "where all of cal is class 1")


def _valid_or_refused(item: Item, arrays: Arrays, where: str) -> None:
    try:
        run = small_run(item, arrays)
    except CalibenchError as error:
        if raised_by_plugin(error):
            return
        raise FailsError(f"{where}: {' '.join(error.message.split())}") from None
    refuse_bad(run.test, where)


def stage_pickles(item: Item) -> None:
    """The stage and its spec pickle."""
    pickles(item.spec, "the spec")
    pickles(_stage(item), f"the {type(_stage(item)).__name__}")


def device_kept(item: Item) -> str | None:
    """Tensors that the method makes lie on the device of those that it gets."""
    stage = _stage(item)
    if torch.cuda.is_available():
        run_stages(dataclasses.replace(_config(item), device="cuda"))
        return "a run on cuda"
    if isinstance(stage, Calibrator | DecisionRule):
        raise DoesNotApplyError("calibrators and decisions get outputs on the CPU")
    if not isinstance(stage, Objective) or _spec(item).kind != "objective":
        raise DoesNotApplyError("there is no GPU here to train on")
    _run(item)
    _loss_on_meta(stage)
    return None


def _loss_on_meta(stage: Objective) -> None:
    """The loss of a batch on torch's device `meta`, which holds no values: a tensor on the CPU does not fit it."""
    logits = torch.zeros(6, 3, device="meta", requires_grad=True)
    labels = torch.zeros(6, dtype=torch.int64, device="meta")
    batch = Batch(torch.zeros(6, 8, 8, device="meta"), labels, torch.arange(6, device="meta"))
    try:
        stage.loss(logits, batch)
    except RuntimeError as error:
        text = str(error)
        if "device" in text and "cpu" in text and "Cannot copy" not in text and ".item()" not in text:
            remedy = "make tensors with device=logits.device, or from one that is there, as logits.new_zeros"
            raise FailsError(f"loss mixes tensors of two devices: {text.splitlines()[0]}", remedy) from None
        raise DoesNotApplyError("its loss looks at values, which only a GPU can show") from None
    except Exception:
        raise DoesNotApplyError("its loss needs what `prepare` makes, which only a GPU can show") from None


CHECKS = (
    Check("documented", documented),
    Check("typed", typed),
    Check("probabilities", probabilities, "return probabilities in [0, 1] that sum to 1, or finite logits"),
    Check(
        "deterministic",
        deterministic,
        "draw from torch's global generator, which is seeded, or from a seed of your own",
    ),
    Check("inputs unchanged", inputs_unchanged, "work on a copy: tensor.clone()"),
    Check("global seeds", seeds_untouched, "use torch.Generator or numpy.random.default_rng, or torch.random.fork_rng"),
    Check("test unseen", test_unseen, "look only at what the base class hands over"),
    Check("rows alone", rows_alone, "take what depends on other rows in `adapt`, which the record states"),
    Check("absent class", absent_class, "treat a class without rows, or raise calibench.RunError with a hint"),
    Check("cache key", code_counts),
    Check("pickles", stage_pickles),
    Check("device", device_kept, "make tensors on the device of those that come in"),
)
