"""Every hook that a plugin may implement. Each docstring holds a plugin that can be pasted into a module and registered:

[project.entry-points.calibench]
my-plugin = "my_module"

Hooks run once per process, when a name is first looked up. They describe, and `target` names the object that does the work.
The module is imported when names are listed, so it imports no torch at its top: functions import torch, or `calibench.lazy`
provides it on first use. A subclass of `nn.Module` goes into a module of its own, which a function imports. The base classes,
such as `calibench.Calibrator`, import no torch.
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from calibench.plugins.specs import (
    DatasetSpec,
    LauncherSpec,
    MethodSpec,
    MetricSpec,
    ModelSpec,
    NoiseSpec,
    OodScoreSpec,
    PresetSpec,
    ReaderSpec,
    ShiftSpec,
    SuiteSpec,
    TrackerSpec,
)

GROUP = "calibench"
"""The entry-point group, and pluggy's project name."""

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@hookspec
def calibench_methods() -> Iterable[MethodSpec]:
    """Stages that recipes can use: objectives, head refits, samplers, ensembles, calibrators, decision rules.

    ```python
    import calibench

    @calibench.hookimpl
    def calibench_methods():
        return [calibench.MethodSpec(
            name="halve", kind="calibrator", target="my_module:Halve",
            summary="Divide every logit by two.",
        )]

    class Halve(calibench.Calibrator):
        def fit(self, outputs, labels):
            return {"factor": 0.5}

        def apply(self, outputs, fitted):
            return calibench.Outputs(outputs.logits() * fitted["factor"])
    ```
    """
    raise NotImplementedError


@hookspec
def calibench_datasets() -> Iterable[DatasetSpec]:
    """Sources of labelled arrays.

    ```python
    import numpy
    import calibench

    @calibench.hookimpl
    def calibench_datasets():
        return [calibench.DatasetSpec(
            name="coins", target="my_module:coins", summary="Two noisy blobs.",
            params=(calibench.Param("rows", "int", 400, "how many rows", minimum=50),),
        )]

    def coins(rows):
        y = numpy.arange(rows) % 2
        x = numpy.random.default_rng(0).normal(size=(rows, 2)) + y[:, None]
        return calibench.Arrays(x=x.astype("float32"), y=y)
    ```
    """
    raise NotImplementedError


@hookspec
def calibench_models() -> Iterable[ModelSpec]:
    """Networks: a body that turns inputs into features, and a head that turns features into logits.

    Each also takes `checkpoint=FILE`, matched to the names in `network.state_dict()`, unless its spec says `comes_trained`.

    ```python
    import calibench

    @calibench.hookimpl
    def calibench_models():
        return [calibench.ModelSpec(name="logistic", target="my_module:logistic", summary="One linear layer.")]

    def logistic(task):
        import torch
        body = torch.nn.Flatten()
        return calibench.Network(body, torch.nn.Linear(task.input_size, task.num_classes), task.input_size)
    ```
    """
    raise NotImplementedError


@hookspec
def calibench_noises() -> Iterable[NoiseSpec]:
    """Models of wrong training labels for `--noise`.

    ```python
    import calibench

    @calibench.hookimpl
    def calibench_noises():
        return [calibench.NoiseSpec(name="shift-one", target="my_module:shift_one", summary="Every label moves up by one.")]

    def shift_one(labels, num_classes, generator):
        return (labels + 1) % num_classes
    ```
    """
    raise NotImplementedError


@hookspec
def calibench_shifts() -> Iterable[ShiftSpec]:
    """Ways in which test rows may differ from training rows, for `--shift`.

    A variant's `x()` returns the changed rows `[n, ...]`. It is called just before they are judged. Labels do not change.

    ```python
    import calibench

    @calibench.hookimpl
    def calibench_shifts():
        return [calibench.ShiftSpec(name="dimmed", target="my_module:dimmed", summary="Every value times 0.8, 0.6, 0.4.")]

    def dimmed(task):
        return [calibench.Variant("dimmed", level, lambda level=level: task.x * (1 - level / 5)) for level in (1, 2, 3)]
    ```
    """
    raise NotImplementedError


@hookspec
def calibench_ood_scores() -> Iterable[OodScoreSpec]:
    """Scores that tell rows of other classes from test rows, for `--ood-score`.

    A score of `features` sees the features of the body. One of `outputs` is a function of `calibench.Outputs`.

    ```python
    import calibench

    @calibench.hookimpl
    def calibench_ood_scores():
        return [calibench.OodScoreSpec(name="distance", target="my_module:Distance", summary="Distance to the mean.")]

    class Distance(calibench.OodScore):
        def fit(self, task):
            self.mean = task.train_features.mean(dim=0)

        def uncertainty(self, features):
            return (features - self.mean).norm(dim=1)
    ```
    """
    raise NotImplementedError


@hookspec
def calibench_metrics() -> Iterable[MetricSpec]:
    """Figures that every run reports, with bootstrap intervals.

    ```python
    import calibench

    @calibench.hookimpl
    def calibench_metrics():
        return [calibench.MetricSpec(
            name="overconfidence", target="my_module:Overconfidence", summary="Mean confidence minus accuracy.",
            equation="mean(conf) - mean(correct)",
        )]

    class Overconfidence(calibench.Metric):
        def value(self, judged):
            return float(judged.confidence.mean() - judged.correct.mean())
    ```
    """
    raise NotImplementedError


@hookspec
def calibench_readers() -> Iterable[ReaderSpec]:
    """Formats of stored outputs, for `calibench evaluate FILE` and every command that reads one.

    A reader returns the arrays of a file by name. Which of them are scores and labels is found by the same rules for all formats.

    ```python
    import numpy
    import calibench

    @calibench.hookimpl
    def calibench_readers():
        return [calibench.ReaderSpec(
            name="words", suffixes=(".words",), target="my_module:read_words", summary="A label, then a probability a class.",
        )]

    def read_words(path, columns):
        rows = [line.split() for line in path.read_text().splitlines()]
        return {"labels": numpy.array([row[0] for row in rows]), "probs": numpy.array([row[1:] for row in rows], dtype=float)}
    ```
    """
    raise NotImplementedError


@hookspec
def calibench_presets() -> Iterable[PresetSpec]:
    """Whole runs by name, for `--preset`: each a TOML file beside a module, here `my_preset.toml` beside `my_module.py`.

    ```python
    import calibench

    @calibench.hookimpl
    def calibench_presets():
        return [calibench.PresetSpec(
            name="small-vtst", target="my_module:my_preset.toml", summary="V-TST on the embedded digits, in seconds.",
        )]
    ```

    ```toml
    method = ["ce", "vtst"]
    seed = [0, 1]

    [train]
    epochs = 5

    [set.vtst]
    latent_dim = 32
    epochs = 2
    ```
    """
    raise NotImplementedError


@hookspec
def calibench_suites() -> Iterable[SuiteSpec]:
    """Frozen protocols by name, for `calibench sweep NAME`: each a TOML file beside a module.

    ```python
    import calibench

    @calibench.hookimpl
    def calibench_suites():
        return [calibench.SuiteSpec(
            name="my-suite-v1", target="my_module:my_suite.toml", summary="Three recipes on the embedded digits.",
        )]
    ```

    ```toml
    primary = "brier"
    base = "ce"
    method = ["ce", "ce+temperature", "vtst"]
    seed = [0, 1, 2]

    [[data]]
    dataset = "digits"
    ```
    """
    raise NotImplementedError


@hookspec
def calibench_launchers() -> Iterable[LauncherSpec]:
    """Ways to make the runs of a sweep, for `calibench sweep --launcher NAME`.

    ```python
    import calibench

    @calibench.hookimpl
    def calibench_launchers():
        return [calibench.LauncherSpec(name="in-turn", target="my_module:launch", summary="One run after another, here.")]

    def launch(configs, options, workers):
        from calibench.runs.launchers.messages import Event, Task
        from calibench.runs.launchers.outcome import outcome_of
        for number, config in enumerate(configs):
            yield Event(0, outcome_of(Task(number, config), options))
    ```
    """
    raise NotImplementedError


@hookspec
def calibench_trackers() -> Iterable[TrackerSpec]:
    """Trackers of experiments, for `--track NAME`: objects whose methods are lifecycle hooks.

    ```python
    import calibench

    @calibench.hookimpl
    def calibench_trackers():
        return [calibench.TrackerSpec(
            name="lines", target="my_module:Lines", summary="A line a run in a file.",
            params=(calibench.Param("file", "path", "runs.txt", "where the lines go"),),
        )]

    class Lines:
        def __init__(self, file):
            self.file = file

        @calibench.hookimpl
        def calibench_run_finished(self, event):
            with open(self.file, "a") as lines:
                lines.write(f"{event.run.run_id}: {event.error or event.record['verdict']}\\n")
    ```
    """
    raise NotImplementedError
