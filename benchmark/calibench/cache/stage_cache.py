"""The stage cache: results of stages on disk, each under a key of everything that decides it. It returns no damaged file."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from calibench.atomic import digest_of, replacing, writable_folder
from calibench.cache.lock import locked
from calibench.errors import CalibenchWarning, InputError
from calibench.files.regular_file import read_regular
from calibench.processes import ALONE, Processes

MOST_DIGITS = 1 << 10
"""Bytes of a checksum file; it has 65."""


class StageCache:
    """Named tensors by key under `folder`, each with a checksum file. `folder` None keeps nothing.

    `fresh` reads only keys in `fresh_keys`: a set that the runs of one command share, so that with --force they make a result
    once and not once for each recipe. Of several `processes` only the first reads and writes.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        fresh: bool = False,
        fresh_keys: set[str] | None = None,
        processes: Processes = ALONE,
    ) -> None:
        self.folder = folder if processes.first else None
        self.fresh = fresh
        self.processes = processes
        self.fresh_keys = set() if fresh_keys is None else fresh_keys
        self.hits: list[str] = []
        self.misses: list[str] = []
        self.damaged: set[str] = set()
        """What was warned of: a result is looked for twice, before and behind its lock."""
        self.resumed: list[str] = []
        """Stages that an earlier process began, each with the epoch after which it was resumed."""

    def get(self, stage: str, key: str) -> dict[str, torch.Tensor] | None:
        """The tensors, or None if there are none or their checksum differs. A damaged file stays until `put` replaces it.

        A damaged file is warned of.
        """
        if self.folder is None or (self.fresh and key not in self.fresh_keys):
            return None
        path = self._path(stage, key)
        try:
            expected = read_regular(path.with_suffix(".sha256"), most=MOST_DIGITS).decode("ascii").strip()
            if expected == digest_of(path):
                # Copies: safetensors maps the file, and a file that is cut while mapped kills the process with SIGBUS.
                tensors = {name: tensor.clone() for name, tensor in load_file(path).items()}
                self.hits.append(stage)
                return tensors
            problem = "its checksum is another one"
        except FileNotFoundError as error:
            if not path.exists() or not path.with_suffix(".sha256").exists():  # never made, or not to its end
                return None
            problem = str(error)
        except (OSError, ValueError, SafetensorError) as error:
            problem = str(error)
        message = f"{path} is damaged ({problem}) and is made again"
        if message not in self.damaged:
            self.damaged.add(message)
            warnings.warn(message, CalibenchWarning, stacklevel=2)
        return None

    @contextlib.contextmanager
    def making(self, stage: str, key: str) -> Iterator[None]:
        """Inside the block this process alone makes the result; another that makes it is waited for.

        Nobody waits for a process that has died.
        """
        if self.folder is None:
            yield
            return
        with locked(self.folder, f"{stage}-{key[:32]}"):
            yield

    def put(self, stage: str, key: str, tensors: Mapping[str, torch.Tensor]) -> None:
        """Keep the tensors. The checksum is written last, so that a crash between the two leaves a miss."""
        self.misses.append(stage)
        self.fresh_keys.add(key)
        if self.folder is None:
            return
        writable_folder(self.folder)
        path = self._path(stage, key)
        with replacing(path) as temporary:
            save_file({name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}, temporary)
            digest = digest_of(temporary)  # not of `path`, which another process may take for damaged and remove
        with replacing(path.with_suffix(".sha256")) as temporary:
            temporary.write_text(digest + "\n")

    def unfinished(self, stage: str, key: str) -> tuple[Path, bool] | None:
        """The path of an unfinished result, and whether an existing file there may be used; None without a folder."""
        if self.folder is None:
            return None
        return self._path(stage, key).with_suffix(".unfinished"), not self.fresh or key in self.fresh_keys

    def _path(self, stage: str, key: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{stage}-{key[:32]}.safetensors"


class CompleteCache(StageCache):
    """A cache from which everything must come: nothing is made again and nothing is written.

    Raises InputError, which names `owner`, for a result that is not there.
    """

    def __init__(self, folder: Path, owner: str) -> None:
        super().__init__(folder)
        self.owner = owner

    def get(self, stage: str, key: str) -> dict[str, torch.Tensor] | None:
        """The tensors. InputError if there are none or their checksum differs."""
        tensors = super().get(stage, key)
        if tensors is None:
            message = f"{self.owner}: {self.folder} does not hold its {stage}, as this code, torch and machine make it"
            raise InputError(message, "make it again: repeat the run with --force (force=True)")
        return tensors

    def unfinished(self, stage: str, key: str) -> None:
        """None: nothing is trained here."""
        return
