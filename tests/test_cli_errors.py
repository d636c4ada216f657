"""The user's mistakes: exit code 2, a message and a hint on standard error, nothing on standard output, nothing written."""

from __future__ import annotations

import os

import numpy as np
import pytest


def with_value(array, place, value):
    changed = array.copy()
    changed[place] = value
    return changed


def test_a_dataset_of_pickles_is_named_and_not_loaded(refused, tmp_path):
    class Trap:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "trapped"),))

    x = np.zeros((4, 3), dtype=object)
    x[0, 0] = Trap()
    np.savez(tmp_path / "data.npz", train_x=x, train_y=np.array([0, 1, 2, 0]))
    refused("run", "-m", "ce", "-d", "npz:path=data.npz", says=("data.npz", "'train_x'", "pickle"))


def test_a_dataset_that_is_no_file(refused, tmp_path):
    (tmp_path / "folder.npz").mkdir()
    refused("run", "-m", "ce", "-d", "npz:path=none.npz", says="there is no file 'none.npz'")
    refused("run", "-m", "ce", "-d", "npz:path=folder.npz", says="'folder.npz' is not a file")


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
