"""The Ray cluster of a sweep: one that runs already, or one that is started on this machine and leaves nothing behind."""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from calibench.errors import InputError, RunError

FOLDER = "calibench-ray-"
"""The name of a folder of a started cluster begins so; the process that started it comes next."""

GONE_SECONDS = 10.0
"""So long the head of a cluster may be out of reach before it counts as gone."""

ASK_SECONDS = 2.0
"""The time between two looks at the head."""

QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
"""Ray sends no statistics and gives no advice, unless the user's environment says otherwise."""

TOKEN = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_MODE")
"""With one of these Ray writes no token into the home folder."""


def import_ray() -> Any:
    """The module ray; InputError if the extra is missing."""
    try:
        with _environment(QUIET):
            return importlib.import_module("ray")
    except ModuleNotFoundError:
        raise InputError("the launcher 'ray' needs Ray", 'pip install "calibench[ray]"') from None


class Head:
    """Whether the head of the cluster still answers. Ray itself would wait for a minute, and then end this process."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._asked = self._heard = time.monotonic()

    def check(self) -> None:
        """RunError if the head has been out of reach for `GONE_SECONDS`."""
        now = time.monotonic()
        if now - self._asked < ASK_SECONDS:
            return
        self._asked = now
        if _answers(self.address):
            self._heard = time.monotonic()
        elif now - self._heard >= GONE_SECONDS:
            message = f"the head of the Ray cluster at {self.address} is gone"
            raise RunError(message, "start the cluster again; the same command then makes what is missing")


@contextmanager
def ray_cluster(ray: Any, address: str | None, cpus: int, store_bytes: int) -> Iterator[Head]:
    """Be connected inside the block to the cluster at `address`, or without one to a new cluster with `cpus` on this machine.

    A program that is connected already stays so.
    """
    if ray.is_initialized():
        yield Head(ray.get_runtime_context().gcs_address)
        return
    with _started(ray, cpus, store_bytes) if address is None else _joined(ray, address):
        head = Head(ray.get_runtime_context().gcs_address)
        try:
            yield head
        finally:
            ray.shutdown()


@contextmanager
def _joined(ray: Any, address: str) -> Iterator[None]:
    host, _, port = address.rpartition(":")
    if address != "auto" and (not host or not port.isdigit() or "/" in address):
        raise InputError(f"--address {address}: this is no address", "write auto or HOST:PORT, as in 10.0.0.1:6379")
    start = "start it: ray start --head, and on other machines ray start --address HOST:PORT"
    if address != "auto" and not _answers(address):
        raise InputError(f"--address {address}: no Ray cluster answers there", start)
    with _environment(QUIET):
        try:
            ray.init(address=address, logging_level="ERROR", log_to_driver=False)
        except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            raise InputError(f"--address {address}: {str(error).splitlines()[0]}", start) from error
        yield


@functools.cache
def _own_token() -> str:
    """The token of the clusters of this process: Ray reads it once, so a second cluster with another one would refuse it."""
    return secrets.token_hex(32)


@contextmanager
def _started(ray: Any, cpus: int, store_bytes: int) -> Iterator[None]:
    _remove_folders_of_the_dead()
    folder = Path(tempfile.mkdtemp(prefix=f"{FOLDER}{os.getpid()}-", dir="/tmp"))  # paths of sockets must be short
    token = {} if any(name in os.environ for name in TOKEN) else {"RAY_AUTH_TOKEN": _own_token()}
    try:
        with _environment(QUIET | token):
            ray.init(
                address="local",
                num_cpus=cpus,
                object_store_memory=store_bytes,
                include_dashboard=False,
                logging_level="ERROR",
                log_to_driver=False,
                _temp_dir=str(folder),
            )
            yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _remove_folders_of_the_dead() -> None:
    """Folders that clusters of killed processes have left."""
    for folder in Path("/tmp").glob(f"{FOLDER}*"):
        owner = folder.name.removeprefix(FOLDER).partition("-")[0]
        if owner.isdigit() and Path("/proc").exists() and not Path(f"/proc/{owner}").exists():
            shutil.rmtree(folder, ignore_errors=True)


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except (OSError, OverflowError):
        return False
    return True


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """Environment variables that are set inside the block, where the user has not set them."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            with contextlib.suppress(KeyError):
                del os.environ[name]
