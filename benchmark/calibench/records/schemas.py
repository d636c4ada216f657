"""The names of the JSON documents that calibench writes: the value of their first entry, `schema`.

A document whose definition changes gets a new number.
"""

from __future__ import annotations

RECORD = "calibench.record/2"
"""One run: `records/RUN_ID.json` in a results folder, and the output of `calibench run --json` for one run.

Since 2 an interval is one of a population value, and `no_interval` says why there is none.
"""

RECORD_1 = "calibench.record/1"
"""Records of earlier versions, which are still read, without their intervals of calibration errors."""

RECORDS = "calibench.records/2"
"""Several runs: the output of `calibench run --json` for more than one."""

PREDICTIONS = "calibench.predictions/1"
"""Scores, labels and bootstrap replicates of a run: the metadata of `predictions/RUN_ID.safetensors`."""

EVALUATION = "calibench.evaluation/2"
"""One file of stored outputs: `calibench evaluate FILE --json`. Since 2 as for `calibench.record`."""

EVALUATIONS = "calibench.evaluations/2"
"""Several files of stored outputs: `calibench evaluate FILE FILE --json`."""

GATE = "calibench.gate/1"
"""The checks of a gate: `calibench gate FILE --json`."""
THRESHOLDS = "calibench.thresholds/1"
"""Operating points of one file of stored outputs: `calibench thresholds FILE --json`."""

LEADERBOARD = "calibench.leaderboard/2"
"""Boards: `calibench leaderboard --json`. Since 2 a rank is `[best, worst]`."""

COMPARISON = "calibench.compare/1"
"""Two recipes, runs or folders: `calibench compare A B --format json`."""

CURVES = "calibench.curves/1"
"""Training curves: `calibench curves RUN --format json`."""

TUNING = "calibench.tuning/1"
"""The trials of a search, `tuning/NAME.json` in a results folder."""

SITE = "calibench.site/1"
"""The files of a site, `site.json` beside its index."""

SWEEP = "calibench.sweep/1"
"""The state of a sweep, `sweeps/SUITE.json` in a results folder."""

FAILED = "calibench.failed/1"
"""Runs that ended without a record, `failed.json` beside the entries of `calibench submit`."""

LIST = "calibench.list/1"
"""The names of one family of plugins: `calibench list FAMILY --json`."""

SHOW = "calibench.show/1"
"""One method, dataset, model, metric, noise, shift or preset: `calibench show FAMILY NAME --json`."""

DOCTOR = "calibench.doctor/1"
"""The state of an installation: `calibench doctor --json`."""

PLUGIN_CHECK = "calibench.plugin-check/1"
"""The verdicts on a plugin: `calibench plugin check --json`."""

PLUGIN_LIST = "calibench.plugin-list/1"
"""The plugins of an installation: `calibench plugin list --json`."""

PLUGIN_NEW = "calibench.plugin-new/1"
"""The files of a new package: `calibench plugin new NAME --json`."""

BENCH = "calibench.bench/1"
"""Times and memory of kernels: `calibench bench kernels --json`."""

BENCH_JUDGE = "calibench.bench-judge/1"
"""Times and memory of a whole judgement: `calibench bench judge --json`. `calibench.bench/1` with memory per sample and scaling."""

BENCH_METHODS = "calibench.bench-methods/1"
"""Times and memory of methods: `calibench bench methods --json`."""
