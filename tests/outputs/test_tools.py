"""Files in the form of evaluation harnesses and training libraries, judged as these tools judge them."""

from __future__ import annotations

import json
import math
import zipfile

import numpy as np
import pytest

from calibench.errors import InputError
from calibench.outputs.readers import Columns, read_samples

RNG = np.random.default_rng(2)


def written(path, rows):
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    return path


def softmax(values):
    e = np.exp(np.asarray(values) - max(values))
    return e / e.sum()


def lm_rows(count=30, filters=("none",)):
    """Samples as `EvaluationTracker.save_results_samples` writes them: numbers as strings, a row a filter."""
    rows = []
    for number in range(count):
        choices = [f"answer{'!' * int(RNG.integers(0, 9))} {k}" for k in range(2 + number % 3)]
        answers = [[str(-float(RNG.random() * 9)), "False"] for _ in choices]
        for name in filters:
            rows.append(
                {
                    "doc_id": number,
                    "doc": {"question": "?", "choices": choices},
                    "target": str(number % 2),
                    "arguments": {
                        f"gen_args_{k}": {"arg_0": "Q:", "arg_1": f" {text}"} for k, text in enumerate(choices)
                    },
                    "resps": [[answer] for answer in answers],
                    "filtered_resps": answers,
                    "filter": name,
                    "metrics": ["acc", "acc_norm"],
                    "doc_hash": "0",
                    "acc": 1.0,
                }
            )
    return rows


@pytest.mark.parametrize("length", ["none", "chars", "bytes"])
def test_lm_evaluation_harness(length, tmp_path):
    rows = lm_rows()
    path = written(tmp_path / "samples_task_2025.jsonl", rows)
    samples = read_samples(path, Columns(format=f"lm-eval:length={length}") if length != "none" else None)
    probs = samples.outputs.probs().numpy()
    for row, got in zip(rows, probs, strict=True):
        texts = row["doc"]["choices"]
        sizes = [1 if length == "none" else len(text.encode()) if length == "bytes" else len(text) for text in texts]
        expected = softmax([float(answer[0]) / size for answer, size in zip(row["filtered_resps"], sizes, strict=True)])
        np.testing.assert_allclose(got[: len(expected)], expected, rtol=1e-9)
        assert not got[len(expected) :].any()
    assert samples.labels.tolist() == [number % 2 for number in range(30)]


def test_lm_evaluation_harness_targets_and_filters(tmp_path):
    rows = lm_rows(filters=("none", "strict"))
    path = written(tmp_path / "a.jsonl", rows)
    with pytest.raises(InputError, match="for each of the filters none, strict"):
        read_samples(path)
    assert len(read_samples(path, Columns(format="lm-eval:filter=strict")).labels) == 30
    with pytest.raises(InputError, match="there is no filter 'strikt'"):
        read_samples(path, Columns(format="lm-eval:filter=strikt"))
    rows = lm_rows()
    for row in rows:
        row["target"] = row["doc"]["choices"][1]
    rows[0]["target"] = rows[0]["doc"]["choices"][0]
    assert read_samples(written(tmp_path / "b.jsonl", rows)).labels.tolist() == [0, *[1] * 29]
    rows[4]["target"] = "7"
    with pytest.raises(InputError, match="doc_id 4: the target '7' is none of its 3 choices"):
        read_samples(written(tmp_path / "b.jsonl", rows))
    rows[4] |= {"target": "0", "filtered_resps": ["a text"]}
    with pytest.raises(InputError, match="doc_id 4: it has no log-likelihoods") as error:
        read_samples(written(tmp_path / "b.jsonl", rows))
    assert "generate_until" in error.value.hint
    with pytest.raises(InputError, match="a doc_id stands twice"):
        read_samples(written(tmp_path / "b.jsonl", [*lm_rows(), *lm_rows()]))


def test_verbalised_confidences_of_a_judge(tmp_path):
    judged = {
        str(k): {
            "model": "m",
            "response": "...",
            "judge_response": {"correct": "yes" if k % 3 else "no", "confidence": c},
        }
        for k, c in enumerate([80, "95%", None, 100, 0, 55.5])
    }
    judged["none"] = {"model": "m", "response": "..."}
    path = tmp_path / "judged_hle.json"
    path.write_text(json.dumps(judged))
    samples = read_samples(path)
    assert samples.outputs.given[:, 0].tolist() == [0.8, 0.95, 1.0, 0.0, 0.555]
    assert (samples.labels == 0).tolist() == [False, True, False, True, True]
    notes = " ".join(samples.notes)
    assert "1 of 6 answers have no confidence and are left out; 100.0 % of them are right" in notes
    assert "1 of 7 are not judged" in notes
    for change, says in (
        ({"confidence": 130}, "answer 0: the confidence is 130"),
        ({"correct": "maybe"}, "neither yes nor no"),
    ):
        broken = {**judged, "0": {"judge_response": {**judged["0"]["judge_response"], **change}}}
        path.write_text(json.dumps(broken))
        with pytest.raises(InputError, match=says):
            read_samples(path)


def stat(name, value):
    return {"name": {"name": name, "split": "test"}, "count": 1, "sum": value, "mean": value, "variance": 0.0}


def test_helm_statistics(tmp_path):
    confidence, correct = RNG.random(20), np.arange(20) % 2
    rows = [
        {
            "instance_id": f"id{k}",
            "train_trial_index": 0,
            "stats": [stat("max_prob", c), stat("exact_match", float(r)), stat("f1", 0.5)],
        }
        for k, (c, r) in enumerate(zip(confidence, correct, strict=True))
    ]
    path = tmp_path / "per_instance_stats.json"
    path.write_text(json.dumps(rows, indent=2))
    samples = read_samples(path)
    np.testing.assert_array_equal(samples.outputs.given[:, 0], confidence)
    np.testing.assert_array_equal(samples.labels == 0, correct == 1)
    with pytest.raises(InputError, match="no instance has 'f1' of 0 or 1") as error:
        read_samples(path, Columns(format="helm-stats:correct=f1"))
    assert "exact_match" in error.value.hint


def helm_state(k, logprob, index=None, mapping=None, text=""):
    references = [{"output": {"text": f"text {j}"}, "tags": ["correct"] if j == k % 3 else []} for j in range(3)]
    return {
        "instance": {"id": f"id{k}", "input": {"text": "?"}, "references": references},
        "reference_index": index,
        "request_mode": "original" if index is not None else None,
        "train_trial_index": 0,
        "output_mapping": mapping,
        "result": {"success": True, "completions": [{"text": text, "logprob": logprob, "tokens": []}]},
    }


def test_helm_states(tmp_path):
    path, logprobs = tmp_path / "scenario_state.json", -RNG.random((12, 3)) * 5
    states = [helm_state(k, logprobs[k, j], j) for k in range(12) for j in range(3)]
    path.write_text(
        json.dumps({"adapter_spec": {"method": "multiple_choice_separate_original"}, "request_states": states})
    )
    samples = read_samples(path)
    np.testing.assert_array_equal(samples.outputs.given, logprobs)
    assert samples.labels.tolist() == [k % 3 for k in range(12)]
    letters = {letter: f"text {j}" for j, letter in enumerate("ABC")}
    states = [helm_state(k, logprobs[k, 0], mapping=letters, text=" A") for k in range(12)]
    path.write_text(json.dumps({"adapter_spec": {"method": "multiple_choice_joint"}, "request_states": states}))
    samples = read_samples(path)
    np.testing.assert_allclose(samples.outputs.given[:, 0], np.exp(logprobs[:, 0]))
    assert (samples.labels == 0).tolist() == [k % 3 == 0 for k in range(12)]
    states[3]["result"]["completions"] = []
    path.write_text(json.dumps({"adapter_spec": {}, "request_states": states}))
    with pytest.raises(InputError, match="instance id3 has no completion"):
        read_samples(path)


def inspect_log(confidences, values, answer_logprob=None):
    samples = []
    for k, (confidence, value) in enumerate(zip(confidences, values, strict=True)):
        score = {"value": value, "answer": "B", "metadata": {} if confidence is None else {"confidence": confidence}}
        sample = {
            "id": k,
            "epoch": 1,
            "input": "?",
            "target": "B",
            "scores": {"choice": score},
            "output": {"choices": [{}]},
        }
        if answer_logprob is not None:
            content = [{"token": "ANSWER", "logprob": -0.1}, {"token": " B", "logprob": answer_logprob}]
            sample["output"]["choices"][0]["logprobs"] = {"content": content}
        samples.append(sample)
    return {"version": 2, "status": "success", "eval": {"task": "t"}, "plan": {"steps": []}, "samples": samples}


@pytest.mark.parametrize("suffix", ["json", "eval"])
def test_inspect_logs(suffix, tmp_path):
    log = inspect_log([90, 40, None, 70, 55], ["C", "I", "C", "P", "C"])
    path = tmp_path / f"log.{suffix}"

    def write(document):
        if suffix == "json":
            path.write_text(json.dumps(document))
            return
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(
                "header.json", json.dumps({key: document[key] for key in ("version", "status", "eval", "plan")})
            )
            for sample in document["samples"]:
                archive.writestr(f"samples/{sample['id']}_epoch_1.json", json.dumps(sample))

    write(log)
    samples = read_samples(path)
    assert samples.outputs.given[:, 0].tolist() == [0.9, 0.4, 0.55]
    assert (samples.labels == 0).tolist() == [True, False, True]
    assert "1 answers are neither right nor wrong" in " ".join(samples.notes)
    assert "1 of 4 answers have no confidence" in " ".join(samples.notes)
    write(inspect_log([None] * 4, ["C", "I", "C", "I"], answer_logprob=-0.5))
    np.testing.assert_allclose(read_samples(path).outputs.given[:, 0], math.exp(-0.5))
    write(inspect_log([None] * 4, ["C", "I", "C", "I"]))
    with pytest.raises(InputError, match="none of its 4 answers has a confidence"):
        read_samples(path)
    write(log)
    reader = "inspect" if suffix == "json" else "inspect-eval"
    with pytest.raises(InputError, match="there is no scorer 'choise'"):
        read_samples(path, Columns(format=f"{reader}:scorer=choise"))


def timm_frame(columns):
    """A table as timm's `inference.py` builds it, from its `data_dict`."""
    pd = pytest.importorskip("pandas")
    return pd.DataFrame(columns).set_index("filename")


def test_timm_tables_with_joined_labels(tmp_path):
    probs = RNG.dirichlet(np.ones(4), size=30).astype(np.float32)
    files = np.array([f"img_{k}.jpg" for k in range(30)])
    truth = RNG.integers(0, 4, size=30)
    order = RNG.permutation(30)
    labels = tmp_path / "truth.csv"
    labels.write_text("filename,label\n" + "\n".join(f"{files[k]},{truth[k]}" for k in order))
    joined = Columns(truth=str(labels), on="filename")
    timm_frame({"filename": files, **{f"prob_{k}": probs[:, k] for k in range(4)}}).to_csv(tmp_path / "all.csv")
    samples = read_samples(tmp_path / "all.csv", joined)
    np.testing.assert_allclose(samples.outputs.given, probs, rtol=1e-6)
    np.testing.assert_array_equal(samples.labels, truth)
    ranks = np.argsort(-probs, axis=1)[:, :2]
    top = np.take_along_axis(probs, ranks, axis=1)
    separate = {f"index_{k}": ranks[:, k] for k in range(2)} | {f"prob_{k}": top[:, k] for k in range(2)}
    names = np.array(["cat", "dog", "fox", "owl"])
    first = {"index": ranks[:, 0], "label": names[ranks[:, 0]], "prob": top[:, 0]}
    for columns in (separate, first):
        timm_frame({"filename": files, **columns}).to_csv(tmp_path / "top.csv")
        samples = read_samples(tmp_path / "top.csv", joined)
        np.testing.assert_allclose(samples.outputs.given[:, 0], probs.max(axis=1), rtol=1e-6)
        np.testing.assert_array_equal(samples.labels == 0, probs.argmax(axis=1) == truth)
    labels.write_text("filename,label\n" + "\n".join(f"{files[k]},{names[truth[k]]}" for k in order))
    samples = read_samples(tmp_path / "top.csv", joined)
    np.testing.assert_array_equal(samples.labels == 0, probs.argmax(axis=1) == truth)


def test_labels_that_cannot_be_joined(tmp_path):
    (tmp_path / "a.csv").write_text("filename,prob_0,prob_1\na,.3,.7\nb,.6,.4\n")
    (tmp_path / "t.csv").write_text("filename,label\na,1\nc,0\n")
    truth = str(tmp_path / "t.csv")
    with pytest.raises(InputError, match="row 1: filename 'b' is not in"):
        read_samples(tmp_path / "a.csv", Columns(truth=truth, on="filename"))
    with pytest.raises(InputError, match="there is no 'file'"):
        read_samples(tmp_path / "a.csv", Columns(truth=truth, on="file"))
    with pytest.raises(InputError, match="--truth FILE and --on COLUMN go together"):
        read_samples(tmp_path / "a.csv", Columns(truth=truth))
    (tmp_path / "t.csv").write_text("filename,label\na,1\nb,0\nb,1\n")
    with pytest.raises(InputError, match="filename 'b' stands twice"):
        read_samples(tmp_path / "a.csv", Columns(truth=truth, on="filename"))
    (tmp_path / "t.csv").write_text("filename,label\nb,0\na,1\nz,1\n")
    samples = read_samples(tmp_path / "a.csv", Columns(truth=truth, on="filename"))
    assert samples.labels.tolist() == [1, 0]
    assert "1 of its rows have no scores" in " ".join(samples.notes)


def test_pairs_of_the_hugging_face_trainer(tmp_path):
    logits, labels = RNG.normal(size=(20, 3)), np.arange(20) % 3
    np.savez(tmp_path / "pair.npz", predictions=logits, label_ids=labels)
    samples = read_samples(tmp_path / "pair.npz")
    np.testing.assert_array_equal(samples.outputs.given, logits)
    np.testing.assert_array_equal(samples.labels, labels)
    assert not samples.outputs.from_probs
    np.save(tmp_path / "predictions.npy", logits)
    np.save(tmp_path / "label_ids.npy", labels)
    samples = read_samples(tmp_path / "predictions.npy", Columns(label=str(tmp_path / "label_ids.npy")))
    np.testing.assert_array_equal(samples.outputs.given, logits)
