"""Small Hugging Face data sets of images as Parquet files."""

from __future__ import annotations

import io
import json
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image
from pyarrow.parquet import read_table, write_table

from calibench import Arrays
from calibench_datasets.sources.hf import SPEC, hf

__all__ = ["NAMES", "image_table", "pixels", "png", "read", "read_table", "write_table"]

NAMES = ["zebra", "ant"]  # the order of a ClassLabel, not the sorted one


def pixels(seed: int, side: int = 8) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def png(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(values).save(file, format="PNG")
    return file.getvalue()


def image_table(rows: range) -> Any:
    """Images number `rows` as the Hub stores them: a struct of bytes and path, and the features in the file's metadata."""
    cells = [{"bytes": png(pixels(row)), "path": f"{row}.png"} for row in rows]
    images = pa.array(cells, pa.struct([("bytes", pa.binary()), ("path", pa.string())]))
    table = pa.table({"img": images, "label": pa.array([row % 2 for row in rows], pa.int64())})
    features = {"img": {"_type": "Image"}, "label": {"names": NAMES, "_type": "ClassLabel"}}
    return table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


def read(path: Any, **params: Any) -> Arrays:
    """`hf` with the defaults of its parameters."""
    defaults = {param.key: param.default for param in SPEC.params}
    return hf(**(defaults | {"path": str(path)} | params))
