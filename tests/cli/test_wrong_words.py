"""Words that a user mistypes: exit code 2, a message and a hint on standard error, nothing on standard output, nothing written."""

from __future__ import annotations

import pytest

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
    ("run", "-m", "ce", "--epochs", "2", "--epochs", "3"): (
        "--epochs is given 2 times and takes one value",
        "run --help",
    ),
    ("evaluate", "a.npz", "--level", "0.9", "--level", "0.8"): ("--level is given 2 times", "evaluate --help"),
    ("run", "-m", "ce", "-s", "0-x"): ("'0-x' is no whole number and no range such as 0-4", "run --help"),
    ("run", "-m", "ce", "-s", "4-2"): ("'4-2' is no range of 1 to 10000 seeds", "run --help"),
    ("run", "-m", "ce", "--noise", "none"): ("noise none would do nothing", "clean labels"),
    ("sweep", "quik-v1"): ("there is no suite called 'quik-v1'", "did you mean 'quick-v1'?"),
    ("sweep", "quick-v1", "--only", "vtsst"): (
        "no run of the suite has this recipe or dataset",
        "did you mean 'vtst'?",
    ),
    ("sweep", "quick-v1", "-s", "7"): ("the suite has the seeds 0, 1, 2", "name one"),
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
    ("run", "-m", "ce", "--seed", "1.5"): ("'1.5' is no whole number", "run --help"),
    ("run", "-m", "ce", "-s", "0", "-s", "-3"): ("seed -3 is not", "--seed 0"),
    ("run", "-m", "ce", "--epochs", "0"): ("epochs=0 is outside [1, inf]", "passes"),
    ("run", "-m", "ce", "--epochs", "many"): ("'many' is not a valid int", "run --help"),
    ("run", "-m", "ce", "--select", "foo"): ("select=foo is not one of its choices", "best, last"),
    ("run", "-m", "ce", "--set", "nonsense"): ("this is not stage.key=value", "--set vtst.latent_dim=64"),
    ("run", "-m", "ce", "--set", "ce.lr"): ("this is not stage.key=value", "as in"),
    ("run", "-m", "ce", "--set", "ce.=3"): ("this is not stage.key=value", "as in"),
    ("run", "-m", "ce", "--set", "ce.rl=0.1"): ("no parameter 'rl'", "known: accumulate, augment, batch_size"),
    ("run", "-m", "ce", "--set", "ce.lr=fast"): ("lr=fast is not a number", "learning rate"),
    ("run", "-m", "ce", "--set", "ce.lr=-1"): ("lr=-1 is outside [0, inf]", "learning rate"),
    ("run", "-m", "ce", "--set", "vtst.samples=3"): ("'vtst' is not part of this run", "known"),
    ("run", "-m", "vtst:samples=0"): ("samples=0 is outside [1, inf]", "Monte-Carlo"),
    ("run", "-m", "ce", "--device", "tpu"): ("device 'tpu' is not auto, cpu or cuda", "auto"),
    ("run", "-m", "ce+threshold:values=0.5;0.5"): ("2 values for 10 classes", "joined by ';'"),
    ("run", "-m", "ce", "--model", "frozen"): ("model 'frozen' needs the trained head", "head_weight"),
    ("run", "-m", "ce", "-m", "vtts"): ("there is no method called 'vtts'", "did you mean 'vtst'?"),
    ("evaluate",): ("Missing argument 'FILE...'", "evaluate --help"),
    ("list", "methods", "again"): ("unexpected extra argument", "list --help"),
    ("list", "method"): ("cannot list 'method'; did you mean 'methods'?", "list --help"),
    ("show", "methods", "vtts"): ("there is no method called 'vtts'", "did you mean 'vtst'?"),
    ("show", "metod", "vtst"): ("there is no kind 'metod'; did you mean 'method'?", "show --help"),
    ("show", "method"): ("'method' is a kind, not a name", "calibench list methods"),
    ("show",): ("Missing argument '[KIND] NAME'", "show --help"),
    ("leaderboard", "--format", "pptx"): ("'pptx'", "leaderboard --help"),
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
