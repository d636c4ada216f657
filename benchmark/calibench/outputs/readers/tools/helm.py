"""Read `scenario_state.json` and `per_instance_stats.json` of HELM: log-probabilities of the references, or of the answer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from calibench.errors import InputError
from calibench.lazy import np
from calibench.outputs.columns import Columns
from calibench.outputs.content import Content
from calibench.outputs.readers.formats.json import parsed
from calibench.outputs.readers.tools.answers import answers
from calibench.plugins.params import Param
from calibench.plugins.specs import ReaderSpec

STATS = ReaderSpec(
    name="helm-stats",
    suffixes=(".json",),
    starts=(b"[",),
    marks=('"instance_id"', '"stats"'),
    target="calibench.outputs.readers.tools.helm:read_stats",
    summary="per_instance_stats.json of HELM: max_prob and exact_match of each instance.",
    params=(Param("correct", "str", "exact_match", "the statistic that is 1 for a right answer"),),
)

STATES = ReaderSpec(
    name="helm-state",
    suffixes=(".json",),
    starts=(b"{",),
    marks=('"adapter_spec"', '"request_states"'),
    target="calibench.outputs.readers.tools.helm:read_states",
    summary="scenario_state.json of HELM: log-probabilities of references, or of the chosen answer.",
)

SPECS = [STATS, STATES]


def read_stats(path: Path, columns: Columns, correct: str = "exact_match") -> Content:
    """Confidence `max_prob` and correctness of each instance. InputError if no instance has both."""
    rows = parsed(path)
    confidences: list[float | None] = []
    corrects: list[bool] = []
    known: set[str] = set()
    for row in rows if isinstance(rows, list) else []:
        values: dict[str, float | None] = {}
        for stat in row.get("stats", ()) if isinstance(row, Mapping) else ():
            name, mean = _stat(stat)
            if name is not None:
                values[name] = mean
        known |= set(values)
        right = values.get(correct)
        if right in (0.0, 1.0):
            confidences.append(values.get("max_prob"))
            corrects.append(right == 1.0)
    if not corrects:
        message = f"{path}: no instance has {correct!r} of 0 or 1"
        raise InputError(
            message, f"choose one of {', '.join(sorted(known)) or 'none'}: --format helm-stats:correct=NAME"
        )
    return answers(confidences, corrects, path, f"HELM: confidence max_prob, correct {correct}")


def _stat(stat: Any) -> tuple[str | None, float | None]:
    """The name and the mean of a statistic of unperturbed instances; None for another one."""
    if not isinstance(stat, Mapping) or not isinstance(stat.get("name"), Mapping) or "perturbation" in stat["name"]:
        return None, None
    total, count = stat.get("sum"), stat.get("count")
    mean = stat.get("mean", total / count if isinstance(total, int | float) and count else None)
    return str(stat["name"].get("name")), float(mean) if isinstance(mean, int | float) else None


def read_states(path: Path, columns: Columns) -> Content:
    """Logits `[N, K]` of the references where each was a request; else the confidence of the chosen answer.

    Raises InputError for requests without a result, and for instances without one right reference.
    """
    document = parsed(path)
    states = document.get("request_states") if isinstance(document, Mapping) else None
    if not isinstance(states, list) or not states:
        raise InputError(f"{path}: it has no request_states", "give the scenario_state.json of a run")
    plain = [state for state in states if not (state.get("instance") or {}).get("perturbation")]
    if any(state.get("reference_index") is not None for state in plain):
        return _of_references(plain, path)
    confidences = []
    corrects: list[bool] = []
    for state in plain:
        completion = _completion(state, path)
        answer = str(completion.get("text", "")).strip()
        answer = (state.get("output_mapping") or {}).get(answer, answer)
        right = [_text(reference) for reference in state["instance"].get("references", ()) if _is_right(reference)]
        corrects.append(answer in right)
        confidences.append(min(math.exp(float(completion["logprob"])), 1.0))
    return answers(confidences, corrects, path, "HELM: the probability of the text of each answer")


def _of_references(states: list[Any], path: Path) -> Content:
    """Each reference of an instance is a request, whose log-probability is the logit of a class."""
    by_instance: dict[tuple[str, str], dict[int, float]] = {}
    labels: dict[tuple[str, str], int] = {}
    for state in states:
        if state.get("request_mode") not in (None, "original") or state.get("reference_index") is None:
            continue
        instance = state["instance"]
        key = (str(instance.get("id")), str(state.get("train_trial_index", 0)))
        by_instance.setdefault(key, {})[int(state["reference_index"])] = float(_completion(state, path)["logprob"])
        right = [place for place, reference in enumerate(instance.get("references", ())) if _is_right(reference)]
        if len(right) != 1:
            message = f"{path}: instance {key[0]} has {len(right)} right references"
            raise InputError(message, "one right reference an instance can be judged")
        labels[key] = right[0]
    width = 1 + max(max(scores) for scores in by_instance.values())
    logits = np.full((len(by_instance), width), np.nan)
    for row, scores in enumerate(by_instance.values()):
        logits[row, list(scores)] = list(scores.values())
    truth = np.array([labels[key] for key in by_instance])
    note = f"HELM: a softmax over the log-probabilities of {width} references"
    return Content({"logits": logits, "labels": truth}, table=False, notes=(note,), logits="logits", label="labels")


def _completion(state: Any, path: Path) -> Mapping[str, Any]:
    completions = ((state.get("result") or {}).get("completions")) or []
    if not completions or not isinstance(completions[0].get("logprob"), int | float):
        instance = (state.get("instance") or {}).get("id")
        raise InputError(
            f"{path}: instance {instance} has no completion with a logprob", "run HELM with log-probabilities"
        )
    first: Mapping[str, Any] = max(completions, key=lambda completion: completion["logprob"])
    return first


def _is_right(reference: Mapping[str, Any]) -> bool:
    return "correct" in reference.get("tags", ())


def _text(reference: Mapping[str, Any]) -> str:
    output = reference.get("output")
    return str(output.get("text") if isinstance(output, Mapping) else output).strip()
