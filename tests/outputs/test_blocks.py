"""Files that are read a block at a time: every format gives the rows that were written, and names a bad row by its number."""

from __future__ import annotations

import json
import struct
import zipfile

import numpy as np
import pytest
import torch

from calibench.errors import InputError
from calibench.outputs.readers import Columns, open_blocks, read_outputs
from calibench.outputs.readers.block_file import BLOCK_NUMBERS, FEWEST_ROWS, MOST_NUMBERS, rows_of_a_block

N, K = 53, 3
SIZES = (1, 7, 26, 52, 53, 1000)
"""Of blocks of the 53 rows: of one row; with a last block of 4, 1 and 1 row; of all rows."""


def saved(folder, kind, scores, labels):
    """The file and the names to read it by."""
    names = [f"c{k}" for k in range(scores.shape[1])]
    path, columns = folder / f"logits.{kind.partition('-')[0]}", Columns()
    if kind == "npy":
        np.save(path, scores)
        np.save(folder / "y.npy", labels)
        columns = Columns(label=str(folder / "y.npy"))
    elif kind == "npz":
        np.savez(path, logits=scores, labels=labels)
    elif kind == "npz-compressed":
        np.savez_compressed(path, logits=scores, labels=labels)
    elif kind == "safetensors":
        from safetensors.numpy import save_file

        save_file({"logits": np.ascontiguousarray(scores), "labels": labels}, path)
    else:
        import pyarrow as pa
        import pyarrow.parquet as pq

        table = pa.table({**dict(zip(names, scores.T, strict=True)), "label": labels})
        pq.write_table(table, path, row_group_size=10)
        columns = Columns(logits="c*")
    return path, columns


@pytest.fixture
def rows(samples):
    return samples(N, K, seed=3)


KINDS = ("npy", "npz", "npz-compressed", "safetensors", "parquet")


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_are_the_rows_in_their_order(kind, rows, tmp_path):
    path, columns = saved(tmp_path, kind, *rows)
    file = open_blocks(path, columns)
    assert (file.rows, file.classes, file.from_probs) == (N, K, False)
    for size in SIZES:
        blocks = list(file.blocks(size))
        assert [len(block.labels) for block in blocks] == [min(size, N - first) for first in range(0, N, size)]
        assert [block.first for block in blocks] == list(range(0, N, size))
        np.testing.assert_array_equal(torch.cat([block.outputs.scores for block in blocks]), rows[0])
        np.testing.assert_array_equal(np.concatenate([block.labels for block in blocks]), rows[1])


@pytest.mark.parametrize("kind", ["npy", "safetensors"])
def test_the_same_files_are_read_whole(kind, rows, tmp_path):
    outputs, labels = read_outputs(*saved(tmp_path, kind, *rows))
    np.testing.assert_array_equal(outputs.scores, rows[0])
    np.testing.assert_array_equal(labels, rows[1])


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("kind", ["npy", "npz"])
@pytest.mark.parametrize("label_type", ["u1", ">i2", "u8"])
def test_types_and_orders_of_arrays(dtype, order, kind, label_type, rows, tmp_path):
    scores = np.asarray(rows[0].astype(dtype), order=order)
    path, columns = saved(tmp_path, kind, scores, rows[1].astype(label_type))
    blocks = list(open_blocks(path, columns).blocks(20))
    np.testing.assert_array_equal(torch.cat([block.outputs.scores for block in blocks]), scores.astype(dtype[1:]))
    np.testing.assert_array_equal(np.concatenate([block.labels for block in blocks]), rows[1])


def test_bfloat16(rows, tmp_path):
    from safetensors.torch import save_file

    scores = torch.from_numpy(rows[0]).bfloat16()
    save_file({"scores": scores, "labels": torch.from_numpy(rows[1]).int()}, tmp_path / "a.safetensors")
    read = [block.outputs.scores for block in open_blocks(tmp_path / "a.safetensors", Columns("scores")).blocks(9)]
    assert read[0].dtype == torch.bfloat16
    assert torch.equal(torch.cat(read), scores)
    assert open_blocks(tmp_path / "a.safetensors", Columns(probs="scores")).from_probs


def test_the_name_of_a_npy_tells_what_it_holds(rows, softmax, tmp_path):
    np.save(tmp_path / "y.npy", rows[1])
    label = str(tmp_path / "y.npy")
    for name, columns, from_probs in (
        ("test_logits", Columns(label=label), False),
        ("test-probs", Columns(label=label), True),
        ("scores", Columns(probs="scores", label=label), True),
        ("probs_of_some", Columns(logits="probs_of_some.npy", label=label), False),
    ):
        np.save(tmp_path / f"{name}.npy", softmax(rows[0]))
        assert open_blocks(tmp_path / f"{name}.npy", columns).from_probs is from_probs
    with pytest.raises(InputError, match="does not tell whether") as error:
        open_blocks(tmp_path / "scores.npy", Columns(label=label))
    assert "--logits scores or --probs scores" in error.value.hint
    with pytest.raises(InputError, match="there is no 'other'"):
        open_blocks(tmp_path / "scores.npy", Columns(probs="other", label=label))
    with pytest.raises(InputError, match="labels are missing"):
        open_blocks(tmp_path / "test_logits.npy", Columns())
    with pytest.raises(InputError, match="not both"):
        open_blocks(tmp_path / "test_logits.npy", Columns("a", "b", label))


@pytest.mark.parametrize("kind", KINDS)
def test_a_bad_row_is_named_by_its_number_in_the_file(kind, rows, tmp_path):
    scores, labels = rows
    for row in (0, 8, 52):
        broken, wrong = scores.copy(), labels.copy()
        broken[row, 1], wrong[row] = np.nan, K
        for change, says in (
            ((broken, labels), "logits are NaN"),
            ((scores, wrong), "(outside \\[0, 3\\)|none of the classes 0, 1, 2)"),
        ):
            file = open_blocks(*saved(tmp_path, kind, *change))
            with pytest.raises(InputError, match=f"row {row}: .*{says}"):
                list(file.blocks(8))


def test_more_bad_rows_are_counted_up_to_the_end_of_the_block(rows, tmp_path):
    scores = rows[0].copy()
    scores[[9, 11, 30]] = np.inf
    file = open_blocks(*saved(tmp_path, "npy", scores, rows[1]))
    with pytest.raises(InputError, match="row 9: logits are NaN or infinite \\(and 1 more rows up to row 15\\)"):
        list(file.blocks(8))


def test_rows_that_do_not_sum_to_1_and_words_for_labels(rows, softmax, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    probs, words = softmax(rows[0]), np.array(["cat", "dog", "eel"], dtype=object)[rows[1]]
    table = dict(zip(("cat", "dog", "eel"), probs.T, strict=True))
    pq.write_table(pa.table({**table, "label": words}), tmp_path / "a.parquet")
    labels = np.concatenate([block.labels for block in open_blocks(tmp_path / "a.parquet", Columns()).blocks(10)])
    np.testing.assert_array_equal(labels, rows[1])
    words[31] = "cow"
    pq.write_table(pa.table({**table, "label": words}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="row 31: label is 'cow'"):
        list(open_blocks(tmp_path / "a.parquet", Columns()).blocks(10))
    words[31] = None
    pq.write_table(pa.table({**table, "label": words}), tmp_path / "a.parquet")
    with pytest.raises(InputError, match="row 31: label is missing"):
        list(open_blocks(tmp_path / "a.parquet", Columns()).blocks(10))
    probs[44, 0] += 0.1
    np.savez(tmp_path / "a.npz", probs=probs, labels=rows[1])
    with pytest.raises(InputError, match="row 44: probabilities do not sum to 1"):
        list(open_blocks(tmp_path / "a.npz", Columns()).blocks(10))


def test_damaged_and_unfit_files_are_refused(rows, tmp_path):
    path, columns = saved(tmp_path, "npy", *rows)
    whole = path.read_bytes()
    for content, says in ((whole[:-1], "cut short"), (whole + b"x", "more follows"), (b"x" * 90, "not a sound .npy")):
        path.write_bytes(content)
        with pytest.raises(InputError, match=says):
            open_blocks(path, columns)
    np.save(path, np.array([[{}, {}]], dtype=object))
    with pytest.raises(InputError, match="pickle"):
        open_blocks(path, columns)
    for scores, labels, says in (
        (rows[0][:, :1], rows[1], "not \\[N, K\\]"),
        (rows[0], rows[1][:-1], "53 rows of scores and 52 labels"),
        (rows[0], rows[1] + 0.5, "has type float64"),
        (rows[0].astype(np.int64), rows[1], "has type int64"),
        (rows[0][:0], rows[1][:0], "there are no rows"),
        (rows[0], (rows[0] > 0).astype(np.int64), "several labels"),
    ):
        with pytest.raises(InputError, match=says):
            open_blocks(*saved(tmp_path, "npz", scores, labels))
    (tmp_path / "a.csv").write_text("a,b,label\n")
    with pytest.raises(InputError, match="cannot be read in one pass"):
        open_blocks(tmp_path / "a.csv", Columns())


def test_a_damaged_member_of_an_npz_is_found_while_it_is_read(rows, samples, tmp_path):
    path, columns = saved(tmp_path, "npz", *samples(9000, 3))
    content = bytearray(path.read_bytes())
    content[90_000] ^= 1  # within the logits: finite still, but not what was written
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"cannot read .*'logits': Bad CRC-32"):
        list(open_blocks(path, columns).blocks(1000))
    path.write_bytes(b"PK")
    with pytest.raises(InputError, match=r"not an .npz file"):
        open_blocks(path, columns)
    np.savez_compressed(path, logits=np.asfortranarray(rows[0]), labels=rows[1])
    with pytest.raises(InputError, match="compressed and stored column by column") as error:
        open_blocks(path, columns)
    assert "numpy.savez" in error.value.hint
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("logits.npy", b"no array")
        archive.writestr("labels.npy", b"no array")
    with pytest.raises(InputError, match=r"not a sound .npy"):
        open_blocks(path, columns)


def test_safetensors_headers_are_not_trusted(tmp_path):
    path = tmp_path / "a.safetensors"
    labels = {"dtype": "I64", "shape": [2], "data_offsets": [16, 32]}

    def write(header, size=32, length=None):
        text = header if isinstance(header, bytes) else json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + bytes(size))

    logits = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
    write({"logits": logits, "labels": labels, "__metadata__": {"a": "b"}})
    assert len(list(open_blocks(path, Columns()).blocks(1))) == 2
    for header, says, options in (
        ({"logits": logits, "labels": labels}, "does not lie within", {"size": 31}),
        ({"logits": {**logits, "shape": [2, 3]}, "labels": labels}, "does not lie within", {}),
        ({"logits": {**logits, "data_offsets": [-8, 8]}, "labels": labels}, "does not lie within", {}),
        ({"logits": {**logits, "dtype": "F8_E4M3"}, "labels": labels}, "has type F8_E4M3", {}),
        ({"logits": {"shape": 3}, "labels": labels}, "no sound description", {}),
        ({"logits": logits}, "there is no 'labels'", {}),
        ([], "not a sound .safetensors", {}),
        (b"{", "not a sound .safetensors", {}),
        (b"", "not a sound .safetensors", {"length": 1 << 60}),
    ):
        write(header, **options)
        with pytest.raises(InputError, match=says):
            open_blocks(path, Columns())


def test_blocks_have_about_as_many_scores_but_some_rows_at_least():
    assert rows_of_a_block(2) == BLOCK_NUMBERS // 2
    assert rows_of_a_block(1000) == FEWEST_ROWS > BLOCK_NUMBERS // 1000
    assert rows_of_a_block(20_000) == MOST_NUMBERS // 20_000
    assert rows_of_a_block(10**9) == 1
