"""docs/record.md from the strings that follow the fields in the code: `python tests/docs/record_page.py` writes it anew."""

from __future__ import annotations

import ast
import inspect
import textwrap
from pathlib import Path

from calibench.evaluation.evaluation_record import KEYS, NOT_STORED, EvaluationRecord
from calibench.records.record import ResultRecord

PAGE = Path(__file__).resolve().parents[2] / "docs" / "record.md"
WIDTH = 100

TOP = """\
# Records: every field

Two JSON documents come out of calibench. Each begins with its `schema`, a name and a version.
[conventions.md](reference/conventions.md) holds the definition behind every figure.

Written by `python tests/docs/record_page.py`, from `records/record.py` and
`evaluation/evaluation_record.py`: change a field's text there. None is `null` in the file.

## A run

`calibench run` writes `results/records/RUN_ID.json`, and `calibench run --json` prints it.
`calibench.run` returns it as a `ResultRecord`, whose attributes are the fields.

"""

EVALUATION = """
## An evaluation

`calibench evaluate FILE --json` prints it. `calibench.evaluate` returns it as an
`EvaluationRecord`, whose attributes are the fields.

"""


def explained_fields(record: type) -> dict[str, tuple[str, str]]:
    """By field its type and the string after it, on one line."""
    (node,) = ast.parse(inspect.getsource(record)).body
    assert isinstance(node, ast.ClassDef)
    return {
        ast.unparse(field.target): (ast.unparse(field.annotation), " ".join(text.value.value.split()))
        for field, text in zip(node.body, node.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
    }


def items(record: type) -> str:
    """A list of the keys of the document, the schema first."""
    fields = explained_fields(record)
    fields = {"schema": fields.pop("schema"), **fields}
    keys = KEYS if record is EvaluationRecord else {}
    lines = [
        f"- **`{keys.get(name, name)}`** (`{kind}`): {text}"
        for name, (kind, text) in fields.items()
        if name not in NOT_STORED
    ]
    wrapped = [textwrap.fill(line, WIDTH, subsequent_indent="  ", break_on_hyphens=False) for line in lines]
    return "\n".join(wrapped) + "\n"


def page() -> str:
    """The whole page."""
    return TOP + items(ResultRecord) + EVALUATION + items(EvaluationRecord)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
