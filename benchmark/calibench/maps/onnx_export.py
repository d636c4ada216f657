"""Write a calibration map as an ONNX graph, which may be appended to a network's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from calibench.atomic import refuse_missing_folder, replacing
from calibench.errors import InputError
from calibench.maps.document import width
from calibench.maps.onnx_ops import OPSET, Node, OnnxOps
from calibench.stages import Scores

if TYPE_CHECKING:
    from calibench.maps.fitted_map import FittedMap

INPUT, OUTPUT = "scores", "probs"

IR_VERSION = 8
"""The format of opset 17: newer ones are refused by older runtimes."""


def write_onnx(fitted: FittedMap, path: str | Path) -> None:
    """Write the graph, whole or not at all; errors as of `onnx_model`."""
    file = Path(path)
    refuse_missing_folder(file)
    content = onnx_model(fitted).SerializeToString()
    with replacing(file) as temporary:
        temporary.write_bytes(content)


def onnx_model(fitted: FittedMap) -> Any:
    """The graph as an `onnx.ModelProto`: input `scores` float32 `[N, K]`, output `probs` float32 `[N, K]`.

    InputError for a decision rule, whose answers are not in the graph, for a map without a formula, and without onnx.
    """
    if fitted.has_rule:
        message = f"{fitted.recipe} ends in a decision rule, and an ONNX graph of a map gives probabilities alone"
        raise InputError(message, "fit the calibrators without the rule")
    ops = OnnxOps()
    fitted.formula.require("an ONNX graph")
    onnx, document = ops.onnx, fitted.document
    double, single = onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT
    columns, from_probs = width(document), document.scores == "probs"
    rows = ops.node("Cast", Node(ops, INPUT), to=double)
    if document.labels_per_sample > 1:
        yes = ops.node("Reshape", rows, ops.stored(np.array([-1, 1], dtype=np.int64)))
        rows = ops.join([1 - yes if from_probs else yes * 0.0, yes])
    probs = fitted.formula(Scores(ops, rows, document.classes, from_probs)).probs()
    if document.labels_per_sample > 1:
        probs = ops.node("Reshape", ops.column(probs, 1), ops.stored(np.array([-1, columns], dtype=np.int64)))
    result = ops.node("Cast", probs, to=single)
    ops.nodes.append(onnx.helper.make_node("Identity", [result.name], [OUTPUT]))
    graph = onnx.helper.make_graph(
        ops.nodes,
        "calibench_map",
        [onnx.helper.make_tensor_value_info(INPUT, single, ["rows", columns])],
        [onnx.helper.make_tensor_value_info(OUTPUT, single, ["rows", columns])],
        initializer=ops.initializers,
    )
    opsets = [onnx.helper.make_opsetid("", OPSET)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, producer_name="calibench", ir_version=IR_VERSION)
    described = {
        "calibench_recipe": fitted.recipe,
        "calibench_scores": document.scores,
        "calibench_map": document.digest,
    }
    if document.class_names is not None:
        described["class_names"] = "\n".join(document.class_names)
    onnx.helper.set_model_props(model, described)
    onnx.checker.check_model(model)
    return model
