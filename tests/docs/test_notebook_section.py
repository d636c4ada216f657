"""docs/guides/python.md, the part about notebooks and pandas: its Python runs, and gives the columns that it names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import calibench

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "guides" / "python.md").read_text(encoding="utf-8")
(LINES,) = (
    block.splitlines()
    for block in re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    if "to_pandas" in block
)


@pytest.mark.slow
def test_each_line_gives_the_columns_that_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    records = calibench.run(["ce", "vtst"], dataset="iris")
    names = {"calibench": calibench, "record": records[0]}
    tables = 0
    for line in LINES:
        code, _, comment = line.partition("#")
        if code.startswith("table = "):
            exec(code.replace("dataset=digits and ece15<0.02", "ece15<1"), names)
            continue
        table = eval(code.strip(), names)
        columns = list(table.columns)
        named = comment.partition(":")[2].replace("`", "").split(", ") if ":" in comment else ["run_id", "ece15_low"]
        assert {name.strip() for name in named} <= set(columns), (line, columns)
        assert len(table) > 0
        tables += 1
    assert tables == 3
