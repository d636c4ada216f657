"""RunResult: the outcome of a run, as the record and the arrays that are stored."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

import torch
from numpy.typing import NDArray

from calibench.config.run_config import RunConfig
from calibench.data.prepare import SPLITS
from calibench.evaluation.added_figures import AddedFigures
from calibench.evaluation.advice import Advice
from calibench.evaluation.judge import Judgement
from calibench.kernels import numpy_backend
from calibench.metrics.load import Metrics, units_of
from calibench.outputs.decisions import Decisions
from calibench.outputs.outputs import Outputs
from calibench.outputs.several_labels import label_scores
from calibench.processes import Processes
from calibench.recipe.members import Members
from calibench.records.environment import machine
from calibench.records.record import ResultRecord
from calibench.runs.identity import Identity, plugin_versions
from calibench.runs.inputs import Inputs
from calibench.seeds import noise_seed


@dataclass(frozen=True)
class RunResult:
    """A run's configuration, inputs and outcome. `outputs` are those of the splits cal and test, as they are judged."""

    config: RunConfig
    inputs: Inputs
    identity: Identity
    outputs: dict[str, Outputs]
    decisions: Decisions | None
    judgement: Judgement
    advice: Advice | None
    added: AddedFigures
    fitted: list[dict[str, Any]]

    def record(self, members: Members, metrics: Metrics, processes: Processes, seconds: float) -> ResultRecord:
        """The record, created now; `seconds` is the time of the whole run."""
        config, judgement, added, cache = self.config, self.judgement, self.added, members.cache
        timings = {"data": self.inputs.seconds, **members.timings, "total": seconds}
        return ResultRecord(
            run_id=self.identity.run_id,
            recipe=config.recipe,
            dataset=config.dataset.text(),
            model=config.model.text(),
            seed=config.seed,
            noise=None if config.noise is None else config.noise.text(),
            backend=numpy_backend(),
            n=self.inputs.data.sizes(),
            metrics=judgement.metrics | added.metrics,
            intervals=judgement.intervals | added.intervals,
            no_interval=judgement.no_interval | added.no_interval,
            noise_floor={**judgement.noise_floor, **added.noise_floor},
            timings_s={name: round(value, 4) for name, value in timings.items()},
            versions=plugin_versions(config),
            **judgement.verdict.fields(),
            advice=None if self.advice is None else dict(self.advice),
            units=units_of(metrics, judgement.metrics) | added.units,
            named_metrics=[name for name, (spec, _) in metrics.items() if spec.optional],
            details=judgement.details,
            fitted=self.fitted,
            curves=members.curves,
            config=config.document(),
            seeds=self._seeds(members),
            bootstrap=judgement.bootstrap,
            data=self._about_data() | added.data,
            machine=machine(torch.get_num_threads(), config.device)
            | ({"ranks": processes.size} if processes.size > 1 else {}),
            code=self.identity.code,
            cache={"hits": cache.hits, "made": cache.misses} | ({"resumed": cache.resumed} if cache.resumed else {}),
            shift=added.shift,
            ood=added.ood,
            preset=None if config.preset is None else dict(config.preset),
            tuned=None if config.tuned is None else dict(config.tuned),
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        )

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays stored beside the record, as `test.labels`: scores, labels, ids, decisions, bootstrap replicates."""
        data = self.inputs.data
        arrays: dict[str, NDArray[Any]] = {}
        for name, outputs in self.outputs.items():
            split = getattr(data, name)
            scores = label_scores(outputs) if data.labels_per_sample > 1 else outputs.scores
            arrays[f"{name}.{'probs' if outputs.from_probs else 'logits'}"] = scores.numpy()
            arrays[f"{name}.labels"], arrays[f"{name}.ids"] = split.y, split.ids
        if data.test_soft is not None:
            arrays["test.soft"] = data.test_soft
        if self.decisions is not None:
            arrays["test.decisions"] = self.decisions.answers.numpy().reshape(data.test.y.shape)
            if self.decisions.sets is not None:
                arrays["test.sets"] = self.decisions.sets.numpy().reshape(*data.test.y.shape, data.num_classes)
            decided = self.decisions.cpu()
            if decided.uncertainty is not None:
                arrays["test.uncertainty"] = decided.uncertainty.numpy()
            if decided.costs is not None:
                arrays["test.costs"] = decided.costs.numpy()
        arrays |= {f"bootstrap.{name}": values for name, values in self.judgement.replicates.items()}
        return arrays | self.added.arrays

    def _seeds(self, members: Members) -> dict[str, int]:
        config = self.config
        seeds = {"run": config.seed, **members.seeds, "split": int(config.dataset.params["split_seed"])}  # type: ignore[arg-type]
        if config.noise:
            seeds["noise"] = noise_seed(config.seed)
        return {**seeds, "bootstrap": int(self.judgement.bootstrap["seed"])}

    def _about_data(self) -> dict[str, Any]:
        data, spec = self.inputs.data, self.config.dataset.spec
        return {
            "fingerprint": data.fingerprint,
            "clean_fingerprint": data.clean_fingerprint,
            "test_fingerprint": data.test_fingerprint,
            "classes": data.num_classes,
            "questions": data.labels_per_sample,
            "splits": list(SPLITS),
            "licence": spec.licence,
            "source": spec.source,
            **({"group": data.group} if data.group else {}),
            "notes": list(data.notes),
            "noise": None if data.noise is None else dict(data.noise),
        }
