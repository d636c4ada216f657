"""The user's mistakes: exit code 2, a message and a hint on standard error, nothing on standard output, nothing written."""

from __future__ import annotations

import io
import os
import struct
import zipfile

import numpy as np
import pytest

LOGITS = np.array([[2.0, 0, 1], [0, 3, 1], [1, 0, 2], [4, 1, 0]], dtype=np.float32)
PROBS = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.2, 0.6], [0.5, 0.3, 0.2]])
LABELS = np.array([0, 1, 2, 0])


def with_value(array, place, value):
    changed = array.copy()
    changed[place] = value
    return changed


NPZ = {
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
    "percent": ({"probs": PROBS * 100}, "row 0: probabilities lie outside [0, 1]"),
    "label K": ({"labels": with_value(LABELS, 3, 3)}, "row 3: the label is outside [0, 3)"),
    "label negative": ({"labels": with_value(LABELS, 1, -1)}, "row 1: the label is outside [0, 3)"),
    "label uint64": (
        {"labels": with_value(LABELS.astype(np.uint64), 1, 2**64 - 1)},
        "row 1: the label is outside [0, 3)",
    ),
    "float labels": ({"labels": LABELS.astype(float)}, "'labels' has type float64"),
    "bool labels": ({"labels": LABELS.astype(bool)}, "'labels' has type bool"),
    "text labels": ({"labels": LABELS.astype(str)}, "'labels' has type <U21"),
    "one-hot labels": ({"labels": np.eye(3, dtype=int)[LABELS]}, "every row has exactly one label of 3"),
    "scalar label": ({"labels": np.array(1)}, "labels have shape [], not [N]"),
    "lengths": ({"labels": LABELS[:3]}, "4 rows of scores and 3 labels"),
    "no rows": ({"logits": LOGITS[:0], "labels": LABELS[:0]}, "there are no rows"),
    "K = 1": ({"probs": np.ones((4, 1)), "labels": LABELS * 0}, "probabilities have one class (shape [4, 1])"),
    "K = 0": ({"logits": LOGITS[:, :0]}, "logits have one class (shape [4, 0])"),
    "one label": ({"labels": LABELS * 0 + 2}, "all 4 labels are class 2"),
    "1-D": ({"probs": PROBS[:, 0]}, "probabilities have shape [4], not [N, K]"),
    "3-D": ({"logits": LOGITS[None]}, "logits have shape [1, 4, 3], not [N, K]"),
    "0-D": ({"logits": np.array(1.0)}, "logits have shape [], not [N, K]"),
    "int logits": ({"logits": LOGITS.astype(int)}, "'logits' has type int64"),
    "complex": ({"logits": LOGITS.astype(complex)}, "'logits' has type complex128"),
    "both": ({"logits": LOGITS, "probs": PROBS}, "holds both 'logits' and 'probs'"),
    "neither": ({"scores": LOGITS}, "holds neither 'logits' nor 'probs' (it holds labels, scores)"),
    "no labels": (
        {"logits": LOGITS, "labls": LABELS, "labels": None},
        "there is no 'labels'\nhint: did you mean 'labls'?",
    ),
}


@pytest.mark.parametrize("case", NPZ)
def test_arrays_that_cannot_be_judged(case, refused, tmp_path):
    given, says = NPZ[case]
    scores = {} if {"logits", "probs", "scores"} & set(given) else {"logits": LOGITS}
    arrays = {name: array for name, array in (scores | {"labels": LABELS} | given).items() if array is not None}
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


def test_files_that_are_no_npz(refused, tmp_path, good):
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


def test_an_encrypted_npz(refused, tmp_path, good):
    content = bytearray(good.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := content.find(signature, at + 1)) >= 0:
            flags = struct.unpack_from("<H", content, at + offset)[0]
            struct.pack_into("<H", content, at + offset, flags | 1)
    (tmp_path / "locked.npz").write_bytes(content)
    refused("evaluate", "locked.npz", says=("locked.npz", "encrypted"))


def test_pickles_are_named_and_not_loaded(refused, tmp_path):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "trapped"),))

    logits = LOGITS.astype(object)
    logits[0, 0] = Trap()
    np.savez(tmp_path / "pickled.npz", logits=logits, labels=LABELS)
    refused("evaluate", "pickled.npz", says=("pickled.npz", "'logits'", "pickle"))
    np.savez(tmp_path / "data.npz", train_x=logits, train_y=LABELS)
    refused("run", "-m", "ce", "-d", "npz:path=data.npz", says=("data.npz", "'train_x'", "pickle"))


def test_paths(refused, tmp_path):
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "folder.parquet").mkdir()
    (tmp_path / "outputs.pt").write_bytes(b"")
    (tmp_path / "outputs").write_bytes(b"")
    for kind in ("npz", "csv", "parquet"):
        refused("evaluate", f"none.{kind}", says=f"there is no file 'none.{kind}'", hint="check the path")
        refused("evaluate", f"folder.{kind}", says=f"'folder.{kind}' is not a file")
    refused("evaluate", "outputs.pt", says="cannot read files of type '.pt'", hint=".npz, .csv or .parquet")
    refused("evaluate", "outputs", says="cannot read files of type 'unknown'", hint=".npz, .csv or .parquet")
    refused("run", "-m", "ce", "-d", "npz:path=none.npz", says="there is no file 'none.npz'")
    refused("run", "-m", "ce", "-d", "npz:path=folder.npz", says="'folder.npz' is not a file")


GOOD_CSV = "a,b,c,label\n.7,.2,.1,0\n.1,.8,.1,1\n.2,.2,.6,2\n"
CSV = {
    "0 bytes": ("", "it is empty"),
    "header only": ("a,b,c,label\n", "there are no rows"),
    "ragged": (GOOD_CSV + ".1,.2,.7\n", "line 5 has 3 values, the header 4"),
    "too long": (GOOD_CSV + ".1,.2,.7,1,\n", "line 5 has 5 values, the header 4"),
    "no number": (GOOD_CSV.replace(".8", "high"), "row 1: b is 'high', not a number"),
    "no value": (GOOD_CSV.replace(".8", ""), "row 1: b is '', not a number"),
    "nan": (GOOD_CSV.replace(".8", "nan"), "row 1: probabilities are NaN or infinite"),
    "twice": (GOOD_CSV.replace("a,b,c", "a,b,b"), "two columns are called 'b'"),
    "no label column": (GOOD_CSV.replace("label", "labell"), "there is no 'labels'\nhint: did you mean 'labell'?"),
    "no label": (GOOD_CSV.replace(".1,1", ".1,"), "row 1: label is '', no class index"),
    "half label": (GOOD_CSV.replace(".1,1", ".1,1.5"), "row 1: label is '1.5', no class index"),
    "huge label": (GOOD_CSV.replace(".1,1", ".1,1e30"), "row 1: label is '1e30', no class index"),
    "nan label": (GOOD_CSV.replace(".1,1", ".1,nan"), "row 1: label is 'nan', no class index"),
    "label 3": (GOOD_CSV.replace(".1,1", ".1,3"), "row 1: the label is outside [0, 3)"),
    "label -1": (GOOD_CSV.replace(".1,1", ".1,-1"), "row 1: the label is outside [0, 3)"),
    "word": (GOOD_CSV.replace(".1,1", ".1,d"), "row 1: label is 'd', no class index and no score column's name"),
    "one class": ("a,label\n1,0\n1,0\n", "probabilities have one class"),
    "only labels": ("label\n0\n1\n", "no column is called '*'"),
    "an id column": ("id," + GOOD_CSV.replace("\n.", "\n7,."), "row 0: probabilities lie outside [0, 1]"),
    "latin-1": (GOOD_CSV.replace("a,", "\xe4,").encode("latin-1"), "cannot read bad.csv"),
    "utf-16": (GOOD_CSV.encode("utf-16"), "cannot read bad.csv"),
    "nul": (GOOD_CSV.replace(".8", "\0"), "bad.csv"),
    "quote": (GOOD_CSV.replace(".8", '".8'), "bad.csv"),
}


@pytest.mark.parametrize("case", CSV)
def test_tables_that_cannot_be_judged(case, refused, tmp_path):
    content, says = CSV[case]
    (tmp_path / "bad.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    refused("evaluate", "bad.csv", "--json", says=("bad.csv", says))


def test_columns_that_are_not_there(refused, tmp_path, good):
    (tmp_path / "good.csv").write_text(GOOD_CSV.replace("a,b,c", "cat,dog,owl"))
    refused(
        "evaluate", "good.csv", "--probs", "cat,dgo,owl", says="no column is called 'dgo'", hint="did you mean 'dog'?"
    )
    refused("evaluate", "good.csv", "--labels", "lable", says="there is no 'lable'", hint="did you mean 'label'?")
    refused("evaluate", "good.csv", "--probs", "cat", "--logits", "cat", says="not both", hint="--logits or --probs")
    refused("evaluate", good, "--probs", "logit", says="there is no 'logit'", hint="did you mean 'logits'?")
    refused("evaluate", good, "--probs", "logits", says="probabilities lie outside [0, 1]", hint="are these logits?")


def test_parquet(refused, tmp_path):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    (tmp_path / "empty.parquet").write_bytes(b"")
    refused("evaluate", "empty.parquet", says="cannot read empty.parquet")
    (tmp_path / "text.parquet").write_text("a,b\n1,2\n" * 10)
    refused("evaluate", "text.parquet", says="cannot read text.parquet")
    columns = [pa.array(c) for c in ([0.7, 0.1], [0.3, 0.9], [0, 1])]
    parquet.write_table(pa.table(columns, names=["a", "b", "label"]), tmp_path / "whole.parquet")
    whole = (tmp_path / "whole.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(whole[:-20])
    refused("evaluate", "cut.parquet", says="cannot read cut.parquet")
    parquet.write_table(pa.table([c[:0] for c in columns], names=["a", "b", "label"]), tmp_path / "none.parquet")
    refused("evaluate", "none.parquet", says="none.parquet: there are no rows")
    parquet.write_table(pa.table([*columns, columns[0]], names=["a", "b", "label", "a"]), tmp_path / "twice.parquet")
    refused("evaluate", "twice.parquet", says="two columns are called 'a'")
    holes = pa.table([pa.array([0.7, None]), *columns[1:]], names=["a", "b", "label"])
    parquet.write_table(holes, tmp_path / "holes.parquet")
    refused("evaluate", "holes.parquet", says="holes.parquet: row 1: a is missing")
    words = pa.table([pa.array(["x", "y"]), *columns[1:]], names=["a", "b", "label"])
    parquet.write_table(words, tmp_path / "words.parquet")
    refused("evaluate", "words.parquet", says="row 0: a is 'x', not a number")
    lists = pa.table([pa.array([[0.7, 0.3], [0.1, 0.9]]), columns[2]], names=["probs", "label"])
    parquet.write_table(lists, tmp_path / "lists.parquet")
    refused("evaluate", "lists.parquet", says="row 0: probs is")


def test_fits(refused, tmp_path, good, samples):
    logits, labels = samples(seed=5)
    np.savez(tmp_path / "val.npz", logits=logits, labels=labels)
    wider, other = samples(classes=4)
    np.savez(tmp_path / "wider.npz", logits=wider, labels=other)
    np.savez(tmp_path / "bad.npz", logits=with_value(logits, (4, 1), np.nan), labels=labels)
    refused(
        "evaluate",
        good,
        "--fit",
        "temperature",
        says="fit temperature needs samples to fit on",
        hint="--fit-on VALFILE",
    )
    refused("evaluate", good, "--fit-on", "val.npz", says="nothing to fit", hint="--fit temperature")
    refused("evaluate", good, "--fit", "temperature", "--fit-on", good, says="are those that are judged")
    refused("evaluate", good, "--fit", "temperature", "--fit-on", "wider.npz", says="4 classes to fit on, 3 to judge")
    refused("evaluate", good, "--fit", "temperature", "--fit-on", "none.npz", says="there is no file 'none.npz'")
    refused("evaluate", good, "--fit", "temperature", "--fit-on", "bad.npz", says="bad.npz: row 4: logits are NaN")
    refused("evaluate", good, "--fit", "threshold", "--fit-on", "val.npz", says="threshold fits nothing")
    for recipe, kind in (("ce", "objective"), ("vtst", "refit"), ("ce+temperature", "objective")):
        refused("evaluate", good, "--fit", recipe, "--fit-on", "val.npz", says=kind, hint="calibrator and decision")
    refused(
        "evaluate",
        good,
        "--fit",
        "temprature",
        "--fit-on",
        "val.npz",
        says="temprature",
        hint="did you mean 'temperature'?",
    )
    refused(
        "evaluate",
        good,
        "--fit",
        "threshold+temperature",
        "--fit-on",
        "val.npz",
        says="cannot follow",
        hint="the order is",
    )
    refused("evaluate", good, "--fit", "temperature+temperature", "--fit-on", "val.npz", says="stands twice")
    refused("evaluate", good, "--fit", "", "--fit-on", "val.npz", says="is not a name")


THRESHOLDS = {
    "value=1.5": "value=1.5 is outside [0, 1]",
    "value=-0.1": "value=-0.1 is outside [0, 1]",
    "value=nan": "value=nan is outside [0, 1]",
    "value=high": "value=high is not a number",
    "values=0.5;1.5;0.5": "values=0.5;1.5;0.5 is outside [0, 1]",
    "values=0.5;0.5": "2 values for 3 classes",
    "values=0.5;;0.5": "is not numbers joined by ';'",
    "value=0.2,values=0.5;0.5;0.5": "not both",
    "vlaue=0.3": "no parameter 'vlaue'\nhint: did you mean 'value'?",
    "value": "'value' is not key=value",
}


@pytest.mark.parametrize("params", THRESHOLDS)
def test_thresholds(params, refused, good, features):
    refused("evaluate", good, "--fit", f"threshold:{params}", says=THRESHOLDS[params])
    frozen = ("-d", "npz:path=features.npz", "--model", "frozen")
    refused("run", "-m", f"ce+threshold:{params}", *frozen, says=THRESHOLDS[params])


def test_plots(refused, tmp_path, good):
    refused("evaluate", good, "--plot", "out.xyz", says="cannot draw 'out.xyz'", hint=".svg, .png, .pdf")
    refused("evaluate", good, "--plot", "out", says="cannot draw 'out'", hint=".svg, .png, .pdf")
    refused("evaluate", good, "--plot", good / "out.svg", says="cannot write in", hint="another folder")
    (tmp_path / "folder.svg").mkdir()
    refused("evaluate", good, "--plot", "folder.svg", says="folder.svg")


def test_results_folders_that_cannot_be_written(refused, tmp_path, features):
    (tmp_path / "taken").write_text("a file")
    run = ("run", "-m", "ce", "-d", "npz:path=features.npz", "--model", "frozen")
    for folder in ("taken", "taken/results", "/proc/x", "/dev/null/x"):
        refused(*run, "--results", folder, says=f"cannot write in '{folder}", hint="another folder")
    refused("leaderboard", says="there are no records under 'results'", hint="run first")
    refused("leaderboard", "--results", "taken", says="there are no records under 'taken'")


def test_a_results_folder_that_is_half_writable(refused, tmp_path, features):
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "predictions").write_text("a file in the way")
    run = ("run", "-m", "ce", "-d", "npz:path=features.npz", "--model", "frozen")
    refused(*run, "--results", "half", says="cannot write in 'half/predictions'")


WORDS = {
    ("rnu",): ("there is no command 'rnu'; did you mean 'run'?", "--help"),
    ("--jsn",): ("No such option", "--help"),
    ("run",): ("give a --method", "run --help"),
    ("run", "-m", "ce", "--datset", "digits"): ("--datset", "run --help"),
    ("run", "-m", "ce", "extra"): ("extra", "run --help"),
    ("run", "-m", "vtts"): ("there is no method called 'vtts'", "did you mean 'vtst'?"),
    ("run", "-m", ""): ("'' is not a name", "write name"),
    ("run", "-m", "ce+"): ("'' is not a name", "write name"),
    ("run", "-m", "ce:epoch=3"): ("no parameter 'epoch'", "did you mean 'epochs'?"),
    ("run", "-m", "ce:epochs=3,epochs=4"): ("'epochs' is given twice", "keep one"),
    ("run", "-m", "ce:epochs=3", "--epochs", "4"): ("'epochs' is given twice", "keep one"),
    ("run", "-m", "temperature:x=1"): ("no parameter 'x'", "it takes no parameters"),
    ("run", "-m", "temperature+ce"): ("'ce' (objective) cannot follow 'temperature' (calibrator)", "the order is"),
    ("run", "-m", "tst+vtst"): ("cannot follow", "the order is"),
    ("run", "-m", "ce+temperature+temperature"): ("stands twice", "nothing new"),
    ("run", "-m", "ce", "-d", "digts"): ("there is no dataset called 'digts'", "did you mean 'digits'?"),
    ("run", "-m", "ce", "-d", "npz"): ("dataset 'npz' needs path", "npz:path=..."),
    ("run", "-m", "ce", "-d", "npz:paht=a.npz"): ("no parameter 'paht'", "did you mean 'path'?"),
    ("run", "-m", "ce", "-d", "npz:path="): ("path= is empty", ".npz"),
    ("run", "-m", "ce", "-d", 'npz:path="a'): ("a double quote is not closed", "write name"),
    ("run", "-m", "ce", "-d", "digits:test=0"): ("test=0 is outside [0.001, 0.9]", "share"),
    ("run", "-m", "ce", "-d", "digits:test=0.5,val=0.4,cal=0.1"): ("leave less than 5 % for training", "lower"),
    ("run", "-m", "ce", "-d", "digits:split_seed=-1"): ("split_seed=-1 is outside [0, inf]", "seed"),
    ("run", "-m", "ce", "--model", "mpl"): ("there is no model called 'mpl'", "did you mean 'mlp'?"),
    ("run", "-m", "ce", "--model", "mlp:hidden=0"): ("hidden=0 is outside [1, inf]", "hidden"),
    ("run", "-m", "ce", "--model", "mlp:activation=rleu"): ("activation=rleu", "did you mean 'relu'?"),
    ("run", "-m", "ce", "--model", "mlp:standardize=maybe"): ("is not true or false", "scale"),
    ("run", "-m", "ce", "--noise", "symetric:rate=0.1"): (
        "there is no noise called 'symetric'",
        "did you mean 'symmetric'?",
    ),
    ("run", "-m", "ce", "--noise", "symmetric"): ("noise 'symmetric' needs rate", "symmetric:rate=..."),
    ("run", "-m", "ce", "--noise", "symmetric:rate=1.2"): ("rate=1.2 is outside [0, 1]", "share"),
    ("run", "-m", "ce", "--noise", "symmetric:rate=-0.1"): ("rate=-0.1 is outside [0, 1]", "share"),
    ("run", "-m", "ce", "--seed", "-1"): ("seed -1 is not a whole number from 0 up", "--seed 0"),
    ("run", "-m", "ce", "--seed", str(2**63)): (f"seed {2**63} is not", "--seed 0"),
    ("run", "-m", "ce", "--seed", "1.5"): ("'1.5' is not a valid int", "run --help"),
    ("run", "-m", "ce", "-s", "0", "-s", "-3"): ("seed -3 is not", "--seed 0"),
    ("run", "-m", "ce", "--epochs", "0"): ("epochs=0 is outside [1, inf]", "passes"),
    ("run", "-m", "ce", "--epochs", "many"): ("'many' is not a valid int", "run --help"),
    ("run", "-m", "ce", "--select", "foo"): ("select=foo is not one of its choices", "best, last"),
    ("run", "-m", "ce", "--set", "nonsense"): ("this is not stage.key=value", "--set vtst.latent_dim=64"),
    ("run", "-m", "ce", "--set", "ce.lr"): ("this is not stage.key=value", "as in"),
    ("run", "-m", "ce", "--set", "ce.=3"): ("this is not stage.key=value", "as in"),
    ("run", "-m", "ce", "--set", "ce.rl=0.1"): ("no parameter 'rl'", "known: accumulate, augment, batch_size"),
    ("run", "-m", "ce", "--set", "ce.lr=fast"): ("lr=fast is not a number", "step size"),
    ("run", "-m", "ce", "--set", "ce.lr=-1"): ("lr=-1 is outside [0, inf]", "step size"),
    ("run", "-m", "ce", "--set", "vtst.samples=3"): ("'vtst' is not part of this run", "known"),
    ("run", "-m", "vtst:samples=0"): ("samples=0 is outside [1, inf]", "Monte-Carlo"),
    ("run", "-m", "ce", "--device", "tpu"): ("device 'tpu' is not auto, cpu or cuda", "auto"),
    ("run", "-m", "ce+threshold:values=0.5;0.5"): ("2 values for 10 classes", "joined by ';'"),
    ("run", "-m", "ce", "--model", "frozen"): ("model 'frozen' needs the trained head", "head_weight"),
    ("run", "-m", "ce", "-m", "vtts"): ("there is no method called 'vtts'", "did you mean 'vtst'?"),
    ("evaluate",): ("Missing argument 'FILE...'", "evaluate --help"),
    ("list", "methods", "again"): ("unexpected extra argument", "list --help"),
    ("list",): ("Missing argument 'WHAT'", "list --help"),
    ("list", "method"): ("cannot list 'method'; did you mean 'methods'?", "list --help"),
    ("show", "methods", "vtts"): ("there is no method called 'vtts'", "did you mean 'vtst'?"),
    ("show", "metod", "vtst"): ("there is no family 'metod'; did you mean 'method'?", "show --help"),
    ("show", "method"): ("Missing argument 'NAME'", "show --help"),
    ("leaderboard", "--format", "html"): ("'html'", "leaderboard --help"),
}


@pytest.mark.parametrize("args", WORDS, ids=" ".join)
def test_words_that_mean_nothing(args, refused):
    says, hint = WORDS[args]
    refused(*args, says=says, hint=hint)


FROZEN = {
    ("-m", "ce", "--epochs", "3"): "model 'frozen' trains nothing in stage 1, so ce.epochs would do nothing",
    ("-m", "vtst", "--epochs", "3"): "model 'frozen' trains nothing in stage 1, so ce.epochs would do nothing",
    ("-m", "ce:lr=0.1"): "model 'frozen' trains nothing in stage 1, so ce.lr would do nothing",
    ("-m", "ce", "--select", "last"): "model 'frozen' trains nothing in stage 1, so ce.select would do nothing",
}


@pytest.mark.parametrize("args", FROZEN, ids=" ".join)
def test_settings_that_would_do_nothing(args, refused, features):
    refused("run", *args, "-d", "npz:path=features.npz", "--model", "frozen", says=FROZEN[args], hint="stage 2")


def data_cases():
    """Name -> (changes to the good data set, what the message says); None drops an array."""
    nan = np.full((1, 3), np.nan, dtype=np.float32)

    def repeated(f):
        return {"test_x": np.concatenate([f["test_x"][:5], f["train_x"][17:19], f["test_x"][5:]])[:120]}

    return {
        "leak": (repeated, ("2 rows of test are also in train", "row 5 of test is row 17 of train")),
        "val leak": (
            lambda f: {"val_x": f["test_x"][3:6], "val_y": f["test_y"][3:6]},
            ("3 rows of test are also in val", "row 3 of test is row 0 of val"),
        ),
        "nan in x": (
            lambda f: {"train_x": np.concatenate([f["train_x"][:6], nan, f["train_x"][7:]])},
            "train: row 6 of x",
        ),
        "nan in test": (
            lambda f: {"test_x": with_value(f["test_x"], (8, 2), np.inf)},
            "test: row 8 of x holds NaN or inf",
        ),
        "beyond float32": (
            lambda f: {"train_x": with_value(f["train_x"].astype(float), (0, 0), 1e300)},
            "float32's range",
        ),
        "lengths": (lambda f: {"train_y": f["train_y"][:-1]}, "train: x has 240 rows and y has shape [239]"),
        "float labels": (lambda f: {"train_y": f["train_y"] + 0.5}, "train: y has type float64"),
        "one-hot": (
            lambda f: {"test_y": np.eye(3, dtype=int)[f["test_y"]]},
            "the splits differ in labels a row",
        ),
        "negative label": (lambda f: {"train_y": with_value(f["train_y"], 9, -1)}, "train: the label of row 9 is -1"),
        "label beyond the head": (lambda f: {"test_y": with_value(f["test_y"], 9, 3)}, "a label is 3, outside [0, 3)"),
        "huge label": (
            lambda f: {"test_y": with_value(f["test_y"].astype(np.uint64), 9, 2**64 - 1)},
            ("test: the label of row 9 is", str(2**64 - 1)),
        ),
        "one class": (lambda f: {"train_y": f["train_y"] * 0}, "the training labels hold one class"),
        "empty": (lambda f: {"train_x": f["train_x"][:0], "train_y": f["train_y"][:0]}, "train: it is empty"),
        "no columns": (lambda f: {"train_x": f["train_x"][:, :0]}, "train: it is empty"),
        "1-D": (lambda f: {"train_x": f["train_x"][:, 0]}, "train: x has shape [240], not [N, ...]"),
        "text": (lambda f: {"train_x": f["train_x"].astype(str)}, "train: x has type <U"),
        "shapes differ": (lambda f: {"test_x": f["test_x"][:, :2]}, "rows differ in shape"),
        "head shape": (lambda f: {"head_weight": np.eye(4, 4)}, "head_weight [4, 4] and head_bias [3] do not fit x"),
        "head transposed": (
            lambda f: {"head_weight": np.ones((2, 3))},
            "head_weight [2, 3] and head_bias [3] do not fit x",
        ),
        "head nan": (lambda f: {"head_bias": np.array([0, np.nan, 0])}, "the head holds NaN or infinity"),
        "head text": (lambda f: {"head_bias": np.array(["a", "b", "c"])}, "head"),
        "half a head": (lambda f: {"head_bias": None}, "head_weight and head_bias come together"),
        "only train_x": (lambda f: dict.fromkeys(("train_y", "test_x", "test_y")), "train_x and train_y come together"),
        "no train": (lambda f: dict.fromkeys(("train_x", "train_y")), "there is no train_x"),
        "unknown name": (
            lambda f: {"tset_x": f["test_x"]},
            "no array is called 'tset_x' here\nhint: did you mean 'test_x'?",
        ),
        "label gap": (
            lambda f: {"train_y": f["train_y"] * 2, "test_y": f["test_y"] * 2, "head_weight": None, "head_bias": None},
            "no row has the label 1",
        ),
        "labels from 1": (
            lambda f: {"train_y": f["train_y"] + 1, "test_y": f["test_y"] + 1, "head_weight": None, "head_bias": None},
            "no row has the label 0",
        ),
        "too few rows": (
            lambda f: {
                "train_x": f["train_x"][:2],
                "train_y": np.array([0, 1]),
                "head_weight": None,
                "head_bias": None,
            },
            "too few distinct rows to hold out",
        ),
    }


@pytest.mark.parametrize("case", data_cases())
def test_data_that_cannot_be_used(case, refused, tmp_path, features):
    change, says = data_cases()[case]
    arrays = {name: array for name, array in (features | change(features)).items() if array is not None}
    np.savez(tmp_path / "features.npz", **arrays)
    model = "frozen" if "head_weight" in arrays else "mlp"
    refused("run", "-m", "ce", "-d", "npz:path=features.npz", "--model", model, says=says)


def test_splits_that_the_data_brings(refused, features):
    frozen = ("-d", "npz:path=features.npz,test=0.2", "--model", "frozen")
    refused("run", "-m", "ce", *frozen, says="test=0.2 would do nothing, the data brings its own test split")
    refused("run", "-m", "ce", "-d", "npz:path=features.npz", "--set", "npz.test=0.2", says="would do nothing")


def test_leaderboard(refused, cli, tmp_path, features):
    assert cli("run", "-m", "ce", "-d", "npz:path=features.npz", "--model", "frozen", "-q").code == 0
    refused("leaderboard", "--metric", "ece51", says="no record has the metric 'ece51'", hint="did you mean 'ece15'?")
    refused("leaderboard", "--metric", "mce15", says="never ranked by", hint="rank by ece15")
    refused("leaderboard", "--columns", "nll,breir", says="has the metric 'breir'", hint="did you mean 'brier'?")
    refused("leaderboard", "--output", tmp_path / "features.npz" / "b.md", says="cannot write in")
    record = next((tmp_path / "results" / "records").glob("*.json"))
    whole = record.read_text()
    record.write_text(whole[: len(whole) // 2])
    refused("leaderboard", says=(record.name, "not JSON"), hint="remove it")
    record.write_text('{"schema": "calibench.record/2"}')
    refused("leaderboard", says=(record.name, "its schema is 'calibench.record/2'"))
    record.write_text('{"schema": "calibench.record/1"}')
    refused("leaderboard", says=(record.name, "the record has no run_id"))
    record.write_text("null")
    refused("leaderboard", says=record.name)
