"""Deliberately bad plugins, each with the check that must fail and words of its message. All but the named fault is sound."""

from __future__ import annotations

from typing import NamedTuple

SPEC = """
import calibench

SPEC = calibench.MethodSpec(
    name="{name}", kind="{kind}", target=f"{{__name__}}:Method", summary="A bad example.",
    equation="p = softmax(z / 2)", paper="own definition", use_when="never", avoid_when="always", cost="nothing",
)


@calibench.hookimpl
def calibench_methods():
    return [SPEC]

"""

FIT = "return {}"
APPLY = "return calibench.Outputs(outputs.logits() / 2)"

CALIBRATOR = """
class Method(calibench.Calibrator):
    def __init__(self):
        {init}

    def fit(self, outputs, labels):
        {fit}

    def apply(self, outputs, fitted):
        {apply}
"""

OBJECTIVE = """
class Method(calibench.Objective):
    def loss(self, logits, batch):
        import torch
        weights = torch.tensor([1.0, 2.0, 3.0])
        return torch.nn.functional.cross_entropy(logits, batch.y, weight=weights)
"""

WEIGHS = """
class Method(calibench.Objective):
    def loss(self, logits, batch):
        import torch
        weights = len(batch.y) / torch.bincount(batch.y, minlength=logits.shape[1])
        loss = torch.nn.functional.cross_entropy(logits, batch.y)
        return loss * float("nan") if logits.device.type != "meta" and bool(weights.isinf().any()) else loss
"""

PEEK = """import sys
frame = sys._getframe()
while "data" not in frame.f_locals:
    frame = frame.f_back
test = frame.f_locals["data"].test
return {"figure": float((test.y == 1).sum() + test.x.sum())}"""

DOWNLOAD = """
import contextlib, urllib.request
with contextlib.suppress(OSError):
    urllib.request.urlopen("http://127.0.0.1:9/weights.bin")
"""

SEND = """
import contextlib, socket
with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
    out.sendto(b"hello", ("127.0.0.1", 9))
"""

FORK = """
import contextlib, os
with contextlib.suppress(OSError):
    if os.fork() == 0:
        os._exit(0)
"""

CACHED = """
import functools

@functools.cache
def drawn():
    import numpy
    return float(numpy.random.default_rng().random())
"""

CLASS_MEANS = """means = [outputs.logits()[labels == k].mean() for k in range(outputs.num_classes)]
return {"nan": [str(float(mean)) for mean in means]}"""

SCALED_BY_NAN = """import torch
means = torch.tensor([float(text) for text in fitted["nan"]], dtype=torch.float64)
return calibench.Outputs(outputs.logits() + 0 * means)"""


class Bad(NamedTuple):
    """A plugin's source, the check that fails, and words of the reason."""

    source: str
    check: str
    says: str


def calibrator(name: str, *, init: str = "pass", fit: str = FIT, apply: str = APPLY, before: str = "") -> str:
    """A calibrator that is sound but for the code that is passed."""
    parts = {key: text.replace("\n", "\n        ") for key, text in (("init", init), ("fit", fit), ("apply", apply))}
    return before + SPEC.format(name=name, kind="calibrator") + CALIBRATOR.format(**parts)


BAD = {
    "non_deterministic": Bad(
        calibrator("random", fit="import numpy\nreturn {'t': float(numpy.random.default_rng().random())}"),
        "deterministic",
        "two runs of one seed differ in fitted",
    ),
    "hashes_of_texts": Bad(
        calibrator("hashes", fit="return {'t': hash('hashes') % 1000 / 1000}"),
        "second process",
        "another process, with another PYTHONHASHSEED, gives other values in t",
    ),
    "random_in_a_cache": Bad(
        calibrator(
            "cached",
            before=CACHED,
            fit="return {'t': drawn()}",
            apply="return calibench.Outputs(outputs.logits() * (0.5 + fitted['t']))",
        ),
        "second process",
        "gives other values",
    ),
    "probabilities_above_1": Bad(
        calibrator("sums", apply="return calibench.Outputs(outputs.probs() * 1.5, from_probs=True)"),
        "probabilities",
        "probabilities lie outside [0, 1]",
    ),
    "global_seed": Bad(
        calibrator("seeds", fit="import torch\ntorch.manual_seed(0)\nreturn {}"),
        "global seeds",
        "fit seeds torch's global generator",
    ),
    "numpy_seed": Bad(
        calibrator("seeds-numpy", fit="import numpy\nnumpy.random.seed(0)\nreturn {}"),
        "global seeds",
        "fit touches numpy's global generator",
    ),
    "seeds_when_built": Bad(
        calibrator("seeds-built", init="import random\nrandom.seed(0)"),
        "global seeds",
        "__init__ touches the global generator of Python's random",
    ),
    "torch_seed_when_built": Bad(
        calibrator("seeds-torch", init="import torch\ntorch.manual_seed(0)"),
        "global seeds",
        "__init__ seeds torch's global generator",
    ),
    "seeds_again": Bad(
        calibrator("again", fit="import torch\ntorch.manual_seed(torch.initial_seed())\nreturn {}"),
        "global seeds",
        "fit seeds torch's global generator",
    ),
    "nan_on_class_absent_from_train": Bad(
        SPEC.format(name="weighs", kind="objective") + WEIGHS, "absent class", "where train has no row of class 2"
    ),
    "looks_at_other_rows": Bad(
        calibrator("rows", apply="z = outputs.logits()\nreturn calibench.Outputs(z - z.mean(dim=0, keepdim=True))"),
        "rows alone",
        "when half of the rows are left out",
    ),
    "trains_on_test": Bad(calibrator("peeks", fit=PEEK), "test unseen", "it sees the test split"),
    "mutates_inputs": Bad(
        calibrator("mutates", apply="outputs.scores.mul_(0.5)\nreturn calibench.Outputs(outputs.logits())"),
        "inputs unchanged",
        "apply changes outputs.scores in place",
    ),
    "raises_at_import": Bad("raise RuntimeError('no licence')\n", "import", "does not load: RuntimeError: no licence"),
    "exits_at_import": Bad("import os\nos._exit(3)\n", "import", "ends the whole process, with exit code 3"),
    "name_clash": Bad(calibrator("temperature"), "names", "both offer the method 'temperature'"),
    "wrong_api": Bad(
        calibrator("future", before="CALIBENCH_API = '9.0'\n"), "API version", "wants version 9.0 of calibench's API"
    ),
    "unpicklable": Bad(
        calibrator("unpicklable", init="self.half = lambda z: z / 2"), "pickles", "the Method cannot be pickled"
    ),
    "prints": Bad(calibrator("prints", before="print('welcome')\n"), "standard output", "'welcome'"),
    "prints_at_work": Bad(calibrator("talks", fit="print('fitting')\nreturn {}"), "standard output", "'fitting'"),
    "downloads_at_import": Bad(
        calibrator("downloads", before=DOWNLOAD), "no network", "reaches the network: 'http://127.0.0.1:9/weights.bin'"
    ),
    "sends_at_import": Bad(calibrator("sends", before=SEND), "no network", "reaches the network: ('127.0.0.1', 9)"),
    "forks_at_import": Bad(calibrator("forks", before=FORK), "no network", "starts another process: os.fork"),
    "changes_folder": Bad(
        calibrator("moves", before="import os\nos.chdir('/')\n"), "process", "changes the current folder to /"
    ),
    "lowers_recursion_limit": Bad(
        calibrator("shallow") + "\n\n__import__('sys').setrecursionlimit(200)\n", "process", "recursion limit to 200"
    ),
    "interrupts_at_import": Bad("raise KeyboardInterrupt('no')\n", "import", "does not load: KeyboardInterrupt: no"),
    "waits_at_import": Bad(
        calibrator("waits", before="import time\ntime.sleep(5.1)\n"), "time and memory", "most of which it waits"
    ),
    "large_for_a_while": Bad(
        calibrator("large", before="WEIGHTS = b'x' * (800 << 20)\ndel WEIGHTS\n"), "time and memory", "for a while"
    ),
    "prints_at_the_end": Bad(
        calibrator("leaves", before="import atexit\natexit.register(print, 'bye')\n"),
        "standard output",
        "it prints at the end of the process on standard output: 'bye'",
    ),
    "torch_at_import": Bad(calibrator("eager", before="import torch\n"), "no torch", "imports torch"),
    "nan_on_constant_class": Bad(
        calibrator("nan", fit=CLASS_MEANS, apply=SCALED_BY_NAN), "absent class", "where cal has no row of class 2"
    ),
    "ignores_device": Bad(
        SPEC.format(name="device", kind="objective") + OBJECTIVE, "device", "mixes tensors of two devices"
    ),
    "huge_import": Bad(calibrator("huge", before="WEIGHTS = b'x' * (300 << 20)\n"), "time and memory", "MiB"),
    "writes_into_messages": Bad(
        "import contextlib, os\nfor number in range(3, 20):\n    with contextlib.suppress(OSError):\n"
        "        os.write(number, b'{\"verdict\": 1}\\n')\n" + calibrator("writes"),
        "import",
        "a plugin wrote into the messages of its check",
    ),
    "closes_files": Bad(
        calibrator("closes", before="import os\nos.closerange(0, 20)\n"), "import", "closes files of the process"
    ),
    "undocumented": Bad(
        calibrator("undocumented").replace('paper="own definition", ', ""), "documented", "MethodSpec has no paper"
    ),
}
