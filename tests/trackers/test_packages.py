"""Each tracker with its own package: a run is logged without a network, and read back with the package's own reader."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from short_runs import short_run
from wandb_file import messages, values

import calibench
from calibench.records.record import ResultRecord

RECIPE = "ce+vtst"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in which the packages write; no variable of the user leads elsewhere."""
    for name in ("WANDB_MODE", "WANDB_DIR", "WANDB_API_KEY", "MLFLOW_TRACKING_URI", "COMET_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def expected(record: ResultRecord) -> dict[str, float]:
    """The figures of a log: each metric, the ends of its interval, its floor."""
    figures = {f"test/{name}": value for name, value in record.metrics.items() if value is not None}
    for name, ends in record.intervals.items():
        if ends is not None:
            figures |= {f"test/{name}_low": ends[0], f"test/{name}_high": ends[1]}
    return figures | {f"test/{name}_floor": floor["mean"] for name, floor in record.noise_floor.items()}


def course_of(record: ResultRecord, number: int) -> list[tuple[int, float]]:
    """Pairs of an epoch and its validation NLL, with five digits."""
    curve = record.curves[number]
    return list(zip(curve["epochs"], curve["val_nll"], strict=True))


def digits(pairs: Any) -> list[tuple[int, float]]:
    return [(int(epoch), float(f"{float(value):.5g}")) for epoch, value in sorted(pairs)]


@pytest.mark.slow
def test_tensorboard(home: Path, blobs: str, installed: Any) -> None:
    installed("tensorboard", "tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    record = short_run(RECIPE, blobs, None, track="tensorboard:dir=logs")
    events = EventAccumulator(str(home / "logs" / record.run_id), size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    scalars = {tag: events.Scalars(tag) for tag in events.Tags()["scalars"]}
    for number, stage in enumerate(("stage1", "stage2")):
        told = [(point.step, point.value) for point in scalars[f"{stage}/val_nll"]]
        assert [epoch for epoch, _ in told] == [epoch for epoch, _ in course_of(record, number)]
        assert [nll for _, nll in told] == pytest.approx([nll for _, nll in course_of(record, number)], rel=1e-4)
    figures = {tag: points[-1].value for tag, points in scalars.items() if tag.startswith("test/")}
    assert figures == pytest.approx(expected(record), rel=1e-6)
    (text,) = events.Tensors("record/text_summary")
    document = json.loads(text.tensor_proto.string_val[0])
    assert document == json.loads(json.dumps(record.to_dict()))
    hparams = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    start = HParamsPluginData.FromString(hparams).session_start_info
    assert start.hparams["recipe"].string_value == record.recipe
    assert start.hparams["vtst.epochs"].number_value == 2


@pytest.mark.slow
def test_wandb_offline(home: Path, blobs: str, installed: Any) -> None:
    installed("wandb", "wandb")
    import wandb
    from wandb.proto.wandb_internal_pb2 import Record

    record = short_run(RECIPE, blobs, None, track="wandb:project=p,mode=offline")
    wandb.teardown()  # as at the end of a process: its service writes what is left
    (file,) = (home / "wandb").glob("offline-run-*/*.wandb")
    of: dict[str, list[Any]] = {}
    for message in messages(file):
        read = Record.FromString(message)
        kind = read.WhichOneof("record_type")
        of.setdefault(kind, []).append(getattr(read, kind))
    (run,), (artefact,), (end,) = of["run"], of["artifact"], of["exit"]
    assert (run.project, run.display_name, end.exit_code) == ("p", record.run_id, 0)
    config = values(run.config.update)
    assert (config["recipe"], config["vtst.epochs"], config["rows.test"]) == (record.recipe, 2, record.n["test"])
    rows = [values(row.item) for row in of["history"]]
    for number, stage in enumerate(("stage1", "stage2")):
        told = [(row[f"{stage}/epoch"], row[f"{stage}/val_nll"]) for row in rows if f"{stage}/epoch" in row]
        assert digits(told) == course_of(record, number)
    summary: dict[str, Any] = {}
    for update in of["summary"]:
        summary |= values(update.update)
    assert {name: summary[name] for name in expected(record)} == pytest.approx(expected(record), rel=1e-15)
    assert summary["verdict"] == record.verdict
    (entry,) = artefact.manifest.contents
    assert (artefact.type, entry.path) == ("record", "record.json")
    assert json.loads(Path(entry.local_path).read_text()) == json.loads(json.dumps(record.to_dict()))


@pytest.mark.slow
def test_mlflow_in_a_database(home: Path, blobs: str, installed: Any) -> None:
    installed("mlflow", "mlflow")
    installed("sqlalchemy", "mlflow")
    from mlflow import MlflowClient

    record = short_run(RECIPE, blobs, None, track="mlflow:uri=sqlite:///log.db,experiment=e")
    with pytest.raises(calibench.RunError):
        short_run("ce:lr=1e30", blobs, None, track="mlflow:uri=sqlite:///log.db,experiment=e")
    client = MlflowClient(tracking_uri="sqlite:///log.db")
    experiment = client.get_experiment_by_name("e")
    runs = {run.data.tags["calibench.run_id"]: run for run in client.search_runs([experiment.experiment_id])}
    run = runs.pop(record.run_id)
    (failed,) = runs.values()
    assert (run.info.status, failed.info.status) == ("FINISHED", "FAILED")
    assert "the loss is nan" in failed.data.tags["calibench.error"]
    assert (run.data.params["recipe"], run.data.params["vtst.epochs"]) == (record.recipe, "2")
    for number, stage in enumerate(("stage1", "stage2")):
        history = client.get_metric_history(run.info.run_id, f"{stage}/val_nll")
        assert digits((point.step, point.value) for point in history) == course_of(record, number)
    assert {name: run.data.metrics[name] for name in expected(record)} == expected(record)
    stored = Path(run.info.artifact_uri.removeprefix("file://")) / "record.json"
    assert json.loads(stored.read_text()) == json.loads(json.dumps(record.to_dict()))


@pytest.mark.slow
def test_comet_offline(home: Path, blobs: str, installed: Any) -> None:
    installed("comet_ml", "comet")
    record = short_run(RECIPE, blobs, None, track="comet:project=p,mode=offline,dir=archives")
    (archive,) = (home / "archives").glob("*.zip")
    with zipfile.ZipFile(archive) as content:
        lines = [json.loads(line) for line in content.read("messages.json").decode().splitlines()]
        named = [json.loads(content.read(name)) for name in content.namelist() if name.startswith("tmp")]
    params = {
        line["payload"]["param"]["paramName"]: line["payload"]["param"]
        for line in lines
        if line["type"] == "parameter_msg"
    }
    assert params["recipe"]["paramValue"] == record.recipe
    metrics = [line["payload"]["metric"] for line in lines if line["type"] == "metric_msg"]
    for number, stage in enumerate(("stage1", "stage2")):
        told = [
            (metric["step"], metric["metricValue"]) for metric in metrics if metric["metricName"] == f"{stage}/val_nll"
        ]
        assert digits(told) == course_of(record, number)
    figures = {
        metric["metricName"]: metric["metricValue"] for metric in metrics if metric["metricName"].startswith("test/")
    }
    assert figures == expected(record)
    assert named == [json.loads(json.dumps(record.to_dict()))]
