"""The search itself: trials that Optuna's TPE draws, or the whole grid where it is small, and the best on val."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calibench.cache.lock import locked
from calibench.cache.stage_cache import StageCache
from calibench.config.run_config import RunConfig
from calibench.config.tune_space import Dimension, read_space, with_values
from calibench.errors import CalibenchError, InputError, RunError
from calibench.processes import joined
from calibench.progress import Report
from calibench.recipe.members import Members
from calibench.records import store
from calibench.runs.identity import identify
from calibench.runs.in_memory import describe_in_memory
from calibench.runs.inputs import load_inputs
from calibench.runs.options import RunOptions
from calibench.runs.run import posthoc_of
from calibench.runs.tuning.trial import Scorer, score_on_val, without_test_labels
from calibench.runs.tuning.trial_log import TUNING, Trial, TrialLog
from calibench.seeds import derived_seed

METRIC = "brier"
TRIALS = 20
STARTUP = 8
"""So many trials are drawn at random before TPE looks at their scores."""


@dataclass(frozen=True)
class Tuning:
    """What the user asked for: the space as text, the number of trials, the seed of the draws, the metric of val."""

    space: str
    trials: int = TRIALS
    seed: int = 0
    metric: str = METRIC


Score = Callable[[dict[str, Any], int], float]
"""The score of a trial's values; its number, from 1, is for the progress. 0 is the configuration as given."""


def tuned(config: RunConfig, tuning: Tuning, options: RunOptions, report: Report) -> RunConfig:
    """The configuration with the values that score best on val, marked as tuned; ties go to the earlier trial.

    Each trial trains on train, fits its maps on cal and is scored on val; the labels of test are replaced before. One seed gives
    one choice, also if the search was killed and went on. Trials share the stage cache with each other and with the run.
    Raises InputError for a bad space before anything is trained, RunError if no trial has a score.
    """
    refuse_bad(tuning)
    dimensions = read_space(tuning.space, config)
    scorer = Scorer.of(tuning.metric)
    processes = joined(config.device)
    if processes.size > 1:
        raise InputError("--tune does not search under torchrun", "search in one process, then set the values")
    inputs = load_inputs(config, options, processes, report)
    described, may_cache = describe_in_memory(config, inputs.data)
    data = without_test_labels(inputs.data)
    keep = options.results is not None and may_cache
    cache = StageCache(options.results / store.CACHE if keep and options.results else None)
    code = identify(described, inputs, Members(described, data, cache, report), posthoc_of(described, data)).code
    about = _about(described, dimensions, tuning, scorer.name, inputs.data.fingerprint, code)
    file = f"{described.run_id(inputs.data.fingerprint)}-{_digest(about)}.json"
    path = options.results / TUNING / file if keep and options.results else None
    with contextlib.ExitStack() as stack:
        if cache.folder is not None:
            stack.enter_context(locked(cache.folder, f"tune-{file}"))
        log = TrialLog(path, about)

        def score(values: dict[str, Any], number: int) -> float:
            what = f"trial {number}" if number else "as given"

            def heard(stage: str, done: float, total: int, note: str) -> None:
                report("search", max(number - 1, 0), tuning.trials, f"{what}, {stage}{_best_words(log, scorer)}")

            return score_on_val(with_values(described, values), data, cache, scorer, heard)

        if log.as_given is None:
            log.as_given = _trial({}, {}, 0, score)
            log.write()
        _search(log, dimensions, tuning, scorer.lower, score)
    return _chosen(config, log, tuning, scorer, path)


def refuse_bad(tuning: Tuning) -> None:
    """InputError for a number of trials or a seed that is none."""
    if tuning.trials < 1:
        raise InputError(f"{tuning.trials} trials search nothing", "use at least 1; 20 is the default")
    if not 0 <= tuning.seed < 2**63:
        raise InputError(f"tune seed {tuning.seed} is not a whole number from 0 up", "as in --tune-seed 0")


def _search(
    log: TrialLog,
    dimensions: Sequence[Dimension],
    tuning: Tuning,
    lower: bool,
    score: Score,
) -> None:
    """Run the trials that are still missing. Values that were tried before keep their score."""
    drawer = _grid(dimensions) if _grid_size(dimensions) <= tuning.trials else _drawn(log, dimensions, tuning, lower)
    for number, drawn in enumerate(itertools.islice(drawer, tuning.trials), 1):
        if number > len(log.trials):
            values = {dim.name: dim.value(drawn[dim.name]) for dim in dimensions}
            same = next((trial for trial in log.trials if _equal(trial.values, values)), None)
            if same is not None:
                log.add(same._replace(drawn=drawn))
            else:
                log.add(_trial(drawn, values, number, score))


def _trial(drawn: dict[str, Any], values: dict[str, Any], number: int, score: Score) -> Trial:
    try:
        return Trial(drawn, values, score(values, number))
    except CalibenchError as error:
        return Trial(drawn, values, None, error.message)


def _best_words(log: TrialLog, scorer: Scorer) -> str:
    """The best score so far, for the progress; empty without one."""
    scores = [trial.score for trial in log.trials if trial.score is not None]
    best = (min if scorer.lower else max)(scores, default=None)
    return "" if best is None else f", best val {scorer.name} {best:.4f}"


def _equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _grid_size(dimensions: Sequence[Dimension]) -> float:
    """The number of combinations; infinite with a range of real numbers."""
    sizes = [len(dim.choices) or (dim.high - dim.low + 1 if dim.whole else math.inf) for dim in dimensions]
    return math.prod(sizes)


def _grid(dimensions: Sequence[Dimension]) -> Iterator[dict[str, Any]]:
    axes = [dim.choices or range(int(dim.low), int(dim.high) + 1) for dim in dimensions]
    names = [dim.name for dim in dimensions]
    return (dict(zip(names, values, strict=True)) for values in itertools.product(*axes))


def _drawn(log: TrialLog, dimensions: Sequence[Dimension], tuning: Tuning, lower: bool) -> Iterator[dict[str, Any]]:
    """The draws of TPE, each from the trials before it and from a seed of its own: a search that goes on draws the same."""
    optuna = import_optuna()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    make = optuna.distributions
    space: dict[str, Any] = {}
    for dim in dimensions:
        if dim.choices:
            space[dim.name] = make.CategoricalDistribution([json.dumps(value) for value in dim.choices])
        elif dim.whole:
            space[dim.name] = make.IntDistribution(int(dim.low), int(dim.high), log=dim.log)
        else:
            space[dim.name] = make.FloatDistribution(dim.low, dim.high, log=dim.log)
    study = optuna.create_study(direction="minimize" if lower else "maximize")
    for number in range(tuning.trials):
        if number < len(log.trials):
            drawn = log.trials[number].drawn
        else:
            seed = derived_seed(tuning.seed, f"tune {number}") % 2**32
            study.sampler = optuna.samplers.TPESampler(n_startup_trials=STARTUP, seed=seed)
            asked = study.ask(space)
            drawn = {
                d.name: json.loads(asked.params[d.name]) if d.choices else asked.params[d.name] for d in dimensions
            }
            study.tell(asked, state=optuna.trial.TrialState.FAIL)  # its score comes with the trial that is added below
        yield drawn
        params = {d.name: json.dumps(drawn[d.name]) if d.choices else drawn[d.name] for d in dimensions}
        ended = log.trials[number]
        if ended.score is not None:
            study.add_trial(optuna.create_trial(params=params, distributions=space, value=ended.score))


def import_optuna() -> Any:
    """The module. InputError naming the extra if it is not installed."""
    try:
        import optuna
    except ModuleNotFoundError:
        raise InputError("--tune needs optuna, which is not installed", 'pip install "calibench[tune]"') from None
    return optuna


def _about(
    config: RunConfig, dimensions: Sequence[Dimension], tuning: Tuning, metric: str, data: str, code: str
) -> dict[str, Any]:
    """What decides every trial, but for their number."""
    return {
        "config": json.loads(json.dumps(config.document())),
        "space": {dim.name: dim.document() for dim in dimensions},
        "metric": metric,
        "seed": tuning.seed,
        "sampler": "grid" if _grid_size(dimensions) <= tuning.trials else "tpe",
        "data": data,
        "code": code,
    }


def _digest(about: dict[str, Any]) -> str:
    """Twelve digits that name the search; the code is left out, so that a file of other code is replaced."""
    named = {key: value for key, value in about.items() if key != "code"}
    return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:12]


def as_given_is_better(mark: Mapping[str, Any]) -> bool:
    """True if the recipe as it was given scores better on val than what was chosen; `mark` is a record's `tuned`."""
    if mark["val_score_as_given"] is None:
        return False
    gain = mark["val_score"] - mark["val_score_as_given"]
    return bool(gain > 0 if Scorer.of(mark["metric"]).lower else gain < 0)


def _chosen(config: RunConfig, log: TrialLog, tuning: Tuning, scorer: Scorer, path: Path | None) -> RunConfig:
    trials = log.trials[: tuning.trials]
    scored = [(trial.score, number) for number, trial in enumerate(trials) if trial.score is not None]
    if not scored:
        message = f"none of {len(trials)} trials of {config.recipe} has a score: {trials[0].failed}"
        raise RunError(message, "search a smaller space")
    best = min(scored, key=lambda pair: (pair[0] if scorer.lower else -pair[0], pair[1]))
    values = {name: tuple(v) if isinstance(v, list) else v for name, v in trials[best[1]].values.items()}
    mark = {
        "recipe": config.recipe,
        "space": log.about["space"],
        "split": "val",
        "metric": scorer.name,
        "seed": tuning.seed,
        "trials": len(trials),
        "failed": len(trials) - len(scored),
        "chosen": trials[best[1]].values,
        "trial": best[1] + 1,
        "val_score": best[0],
        "val_score_as_given": None if log.as_given is None else log.as_given.score,
        "log": None if path is None else f"{TUNING}/{path.name}",
    }
    return dataclasses.replace(with_values(config, values), tuned=mark)
