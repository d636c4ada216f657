"""`--junit OUT.xml`: the checks of a gate as JUnit XML, which CI systems show as tests."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from calibench.atomic import refuse_missing_folder, refuse_overwriting, replacing

if TYPE_CHECKING:
    from calibench.evaluation.gate.gate_result import GateResult

_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def check_junit(path: Path, *read: Path | None) -> None:
    """InputError unless the folder of `path` exists, and if it is one of the files that are read."""
    refuse_overwriting(path, *read)
    refuse_missing_folder(path)


def write_junit(result: GateResult, path: Path) -> None:
    """Write a suite with a case a check, whole or not at all; a check that does not hold is a failure."""
    from xml.etree import ElementTree

    failures = sum(not check.holds for check in result.checks)
    counts = {"tests": str(len(result.checks)), "failures": str(failures), "errors": "0", "skipped": "0"}
    root = ElementTree.Element("testsuites", counts)
    suite = ElementTree.SubElement(root, "testsuite", {"name": "calibench gate", **counts})
    for check in result.checks:
        about = {"classname": _text(result.file or "calibench"), "name": _text(check.title)}
        case = ElementTree.SubElement(suite, "testcase", about)
        if check.holds:
            ElementTree.SubElement(case, "system-out").text = _text(str(check))
        else:
            failure = ElementTree.SubElement(case, "failure", {"message": _text(str(check)), "type": check.outcome})
            failure.text = _text(f"{check}\n{result.summary}")
    ElementTree.indent(root)
    with replacing(path) as temporary:
        ElementTree.ElementTree(root).write(temporary, encoding="utf-8", xml_declaration=True)


def _text(text: str) -> str:
    """The text without characters that XML cannot hold, such as the escape of a file name's stray byte."""
    return _NOT_IN_XML.sub("?", text)
