"""TOML of strangers: what would take gigabytes, the stack, or minutes is refused, and an honest file is read."""

from __future__ import annotations

import time

import pytest

from calibench import InputError
from calibench.config.toml_text import read_toml

DEEP = "a." * 100_000 + "a"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"{DEEP} = 1", "nested too deeply"),
        (f"[{DEEP}]\n", "nested too deeply"),
        ("\n".join(f"[{'b.' * 70}x{k}]" for k in range(5000)), "nested too deeply"),
        ('"a"."b".' * 80 + "c = 1", "nested too deeply"),
        (f"x = {{ {DEEP} = 1 }}", "nested too deeply"),
        ("x = " + "[" * 100_000, "nested too deeply"),
        ("x = " + "{a=" * 100_000, "nested too deeply"),
        ("seed = " + "9" * 5000, "not TOML: Exceeds the limit"),
        ("x = 1\nx = 2", "not TOML"),
    ],
    ids=lambda text: text[:20],
)
def test_what_would_take_gigabytes_or_the_stack_is_refused(text, says):
    start = time.monotonic()
    with pytest.raises(InputError, match=says) as refused:
        read_toml(text, "preset x", "a hint")
    assert refused.value.message.startswith("preset x: ")
    assert time.monotonic() - start < 5


def test_an_honest_file_is_read():
    text = 'notes = "' + "a. " * 200 + '"\nx = [' + "0.5, " * 200 + "]\n# " + "." * 200 + "\n[set.ce]\nlr = 0.1\n"
    assert read_toml(text, "preset x", "a hint")["set"] == {"ce": {"lr": 0.1}}
