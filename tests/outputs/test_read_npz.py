"""Read an `.npz` of outputs: names, layouts and types of arrays, and everything that is refused."""

from __future__ import annotations

import io
import os
import struct
import zipfile

import numpy as np
import pytest
import torch

from calibench.outputs.readers import Columns, read_outputs

LOGITS = np.array([[2.0, 0, 1], [0, 3, 1], [1, 0, 2], [4, 1, 0]], dtype=np.float32)
PROBS = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [0.5, 0.3, 0.2]])
LABELS = np.array([0, 1, 2, 0])


def with_value(array, place, value):
    changed = array.copy()
    changed[place] = value
    return changed


@pytest.mark.parametrize(
    ("arrays", "columns"),
    [
        ({"logits": LOGITS, "labels": LABELS}, Columns()),
        ({"logits": LOGITS, "label": LABELS.astype(np.uint8)}, Columns()),
        ({"net": LOGITS, "other": -LOGITS, "y": LABELS, "note": np.array("x")}, Columns(logits="net", label="y")),
        ({"logits": LOGITS, "probs": PROBS, "labels": LABELS}, Columns(logits="logits")),
        ({"logits": np.asfortranarray(LOGITS), "labels": LABELS}, Columns()),
        ({"logits": LOGITS.astype(">f4"), "labels": LABELS.astype(">i8")}, Columns()),
        ({"logits": LOGITS.astype(np.float16), "labels": LABELS}, Columns()),
    ],
)
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_names_layouts_and_types(tmp_path, arrays, columns, save):
    save(tmp_path / "a.npz", **arrays)
    outputs, labels = read_outputs(tmp_path / "a.npz", columns)
    assert not outputs.from_probs
    torch.testing.assert_close(outputs.scores.float(), torch.from_numpy(LOGITS), rtol=0, atol=0)
    assert labels.dtype == np.int64
    assert labels.tolist() == LABELS.tolist()


@pytest.mark.parametrize(("name", "columns"), [("probs", Columns()), ("p", Columns(probs="p"))])
def test_probabilities(tmp_path, name, columns):
    np.savez(tmp_path / "a.npz", **{name: PROBS, "labels": LABELS})
    outputs, _ = read_outputs(tmp_path / "a.npz", columns)
    assert outputs.from_probs
    assert torch.equal(outputs.scores, torch.from_numpy(PROBS))


def test_float16_keeps_its_type(tmp_path):
    """Narrow scores are judged as the exact value of the stored numbers."""
    np.savez(tmp_path / "a.npz", logits=LOGITS.astype(np.float16), labels=LABELS)
    assert read_outputs(tmp_path / "a.npz")[0].scores.dtype == torch.float16


CASES = {
    "nan logits": ({"logits": with_value(LOGITS, (2, 1), np.nan)}, "row 2: logits are NaN or infinite"),
    "two nan rows": (
        {"logits": with_value(LOGITS, ([1, 3], 1), np.nan)},
        "row 1: logits are NaN or infinite (and 1 more",
    ),
    "inf logits": ({"logits": with_value(LOGITS, (3, 0), np.inf)}, "row 3: logits are NaN or infinite"),
    "-inf logits": ({"logits": with_value(LOGITS, (0, 0), -np.inf)}, "row 0: logits are NaN or infinite"),
    "float16": ({"logits": with_value(LOGITS, (0, 0), np.inf).astype(np.float16)}, "logits are NaN or infinite"),
    "nan probs": ({"probs": with_value(PROBS, (1, 0), np.nan)}, "row 1: probabilities are NaN or infinite"),
    "sum": ({"probs": with_value(PROBS, (2, 2), 0.602)}, "row 2: probabilities do not sum to 1 within 0.001"),
    "sum below": ({"probs": with_value(PROBS, (2, 2), 0.598)}, "row 2: probabilities do not sum to 1 within 0.001"),
    "negative": ({"probs": with_value(PROBS, 1, [-0.1, 1.0, 0.1])}, "row 1: probabilities lie outside [0, 1]"),
    "above 1": ({"probs": with_value(PROBS, 1, [1.1, 0.0, 0.0])}, "row 1: probabilities lie outside [0, 1]"),
    "percent, but for a row": (
        {"probs": with_value(PROBS * 100, (1, 0), 30)},
        "row 0: probabilities lie outside [0, 1]",
    ),
    "label K": ({"labels": with_value(LABELS, 3, 3)}, "row 3: the label is outside [0, 3)"),
    "label negative": ({"labels": with_value(LABELS, 1, -1)}, "row 1: the label is outside [0, 3)"),
    "label uint64": (
        {"labels": with_value(LABELS.astype(np.uint64), 1, 2**64 - 1)},
        "row 1: the label is outside [0, 3)",
    ),
    "half labels": ({"labels": LABELS + 0.5}, "row 0: 'labels' is 0.5, no class index"),
    "complex labels": ({"labels": LABELS.astype(complex)}, "'labels' has type complex128"),
    "two words": (
        {"labels": np.array(["a", "b", "a", "a"])},
        "labels is 'a', and the 3 columns of scores have no names",
    ),
    "one-hot rows of sigmoids": (
        {"probs": PROBS / 2, "labels": np.eye(3, dtype=int)[LABELS]},
        "every row has exactly one label of 3",
    ),
    "scalar label": ({"labels": np.array(1)}, "labels have shape [], not [N]"),
    "lengths": ({"labels": LABELS[:3]}, "4 rows of scores and 3 labels"),
    "no rows": ({"logits": LOGITS[:0], "labels": LABELS[:0]}, "there are no rows"),
    "K = 1": ({"probs": np.ones((4, 1)), "labels": LABELS * 0}, "all 4 labels are class 0"),
    "K = 0": ({"logits": LOGITS[:, :0]}, "logits have one class (shape [4, 0])"),
    "one label": ({"labels": LABELS * 0 + 2}, "all 4 labels are class 2"),
    "1-D": ({"probs": PROBS[:, 0]}, "one column of scores (probs) and 3 classes: 0, 1, 2"),
    "3-D": ({"logits": LOGITS[None]}, "logits have shape [1, 4, 3], not [N, K]"),
    "0-D": ({"logits": np.array(1.0)}, "logits have shape [], not [N, K]"),
    "int logits": ({"logits": LOGITS.astype(int)}, "'logits' has type int64"),
    "complex": ({"logits": LOGITS.astype(complex)}, "'logits' has type complex128"),
    "both": ({"logits": LOGITS, "probs": PROBS}, "holds both 'logits' and 'probs'"),
    "neither": ({"scores": LOGITS}, "holds neither 'logits' nor 'probs' (it holds labels, scores)"),
    "no labels": (
        {"logits": LOGITS, "labls": LABELS, "labels": None},
        "no column or array is named labels or label\nhint: did you mean 'labls'?",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_arrays_that_cannot_be_judged_are_refused(case, refused, tmp_path):
    changes, says = CASES[case]
    scores = {} if {"logits", "probs", "scores"} & set(changes) else {"logits": LOGITS}
    arrays = {name: array for name, array in (scores | {"labels": LABELS} | changes).items() if array is not None}
    np.savez(tmp_path / "bad.npz", **arrays)
    refused("evaluate", "bad.npz", "--json", says=("bad.npz", says))


def npy(array) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def zipped(path, members, repeated=None):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        if repeated:
            with pytest.warns(UserWarning, match="Duplicate name"):
                archive.writestr(repeated, members[repeated])


def test_damaged_files_are_refused(refused, tmp_path, good):
    whole = good.read_bytes()
    arrays = {"logits.npy": npy(LOGITS), "labels.npy": npy(LABELS)}
    (tmp_path / "empty.npz").write_bytes(b"")
    refused("evaluate", "empty.npz", says=("empty.npz", "not an .npz file"))
    (tmp_path / "text.npz").write_text("a,b\n1,2\n")
    refused("evaluate", "text.npz", says=("text.npz", "not an .npz file"))
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    refused("evaluate", "cut.npz", says=("cut.npz", "not an .npz file"))
    (tmp_path / "array.npz").write_bytes(npy(LOGITS))
    refused("evaluate", "array.npz", says=("array.npz", "not an .npz file"), hint="numpy.savez")
    at = whole.index(b"NUMPY") + 200
    (tmp_path / "flipped.npz").write_bytes(whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :])
    refused("evaluate", "flipped.npz", says=("flipped.npz", "Bad CRC-32"))
    zipped(tmp_path / "member.npz", {**arrays, "notes.txt": b"hello"})
    refused("evaluate", "member.npz", says=("member.npz", "'notes.txt' is not an array"))
    zipped(tmp_path / "garbage.npz", {**arrays, "logits.npy": b"\x93NUMPY\x01\x00\x10\x00garbage"})
    refused("evaluate", "garbage.npz", says=("garbage.npz", "cannot read array 'logits'"))
    zipped(tmp_path / "cutmember.npz", {**arrays, "logits.npy": npy(LOGITS)[:-7]})
    refused("evaluate", "cutmember.npz", says=("cutmember.npz", "cannot read array 'logits'"))
    zipped(tmp_path / "twice.npz", arrays, repeated="logits.npy")
    refused("evaluate", "twice.npz", says=("twice.npz", "two arrays have one name"))
    zipped(tmp_path / "hollow.npz", {})
    refused("evaluate", "hollow.npz", says=("hollow.npz", "it holds nothing"))
    huge = npy(LOGITS).replace(b"(4, 3)", b"(10000000000000, 3)").replace(b"                   \n", b"      \n", 1)
    zipped(tmp_path / "huge.npz", {**arrays, "logits.npy": huge})
    refused("evaluate", "huge.npz", says=("huge.npz", "cannot read array 'logits'"))
    beyond = npy(LOGITS).replace(b"(4, 3)", b"(" + b"9" * 30 + b",)")
    zipped(tmp_path / "beyond.npz", {**arrays, "logits.npy": beyond})
    refused("evaluate", "beyond.npz", says=("beyond.npz", "cannot read array 'logits'"))


def test_an_encrypted_file_is_refused(refused, tmp_path, good):
    content = bytearray(good.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := content.find(signature, at + 1)) >= 0:
            flags = struct.unpack_from("<H", content, at + offset)[0]
            struct.pack_into("<H", content, at + offset, flags | 1)
    (tmp_path / "locked.npz").write_bytes(content)
    refused("evaluate", "locked.npz", says=("locked.npz", "encrypted"))


def test_a_pickle_is_named_and_not_loaded(refused, tmp_path):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "trapped"),))

    logits = LOGITS.astype(object)
    logits[0, 0] = Trap()
    np.savez(tmp_path / "pickled.npz", logits=logits, labels=LABELS)
    refused("evaluate", "pickled.npz", says=("pickled.npz", "'logits'", "pickle"))


def test_names_that_are_not_there_are_refused(refused, good):
    refused("evaluate", good, "--probs", "logit", says="there is no 'logit'", hint="did you mean 'logits'?")
    refused("evaluate", good, "--probs", "logits", says="probabilities lie outside [0, 1]", hint="are these logits?")
