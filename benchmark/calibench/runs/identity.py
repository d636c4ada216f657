"""The identity of a run: the id that names its record, and the digests of code and files that the record was made with.

A stored record is taken for this run only if both are equal.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from calibench.cache.code import code_of
from calibench.config.run_config import RunConfig
from calibench.plugins.discovery import registry
from calibench.recipe.members import Members
from calibench.recipe.posthoc import PostHoc
from calibench.records.environment import versions
from calibench.runs.inputs import Inputs


@dataclass(frozen=True)
class Identity:
    """`run_id` is a readable name with a digest of the configuration and its data; `code` joins the digests of all sources."""

    run_id: str
    code: str


def identify(config: RunConfig, inputs: Inputs, members: Members, posthoc: PostHoc) -> Identity:
    """The identity of a run whose parts are built and checked, before anything is trained."""
    fingerprints = [inputs.data.fingerprint, *(ood_set.fingerprint for ood_set in inputs.ood_sets)]
    sources = " ".join(code_of(part, judged=True) for part in config.parts)
    code = _digest(sources) + _files(inputs, members, posthoc)
    return Identity(config.run_id("+".join(fingerprints)), code)


def plugin_versions(config: RunConfig) -> dict[str, str]:
    """The versions of the plugins that take part, for the record: by distribution, and of a one-off plugin by its file."""
    parts = [part for part in config.parts if not part.spec.from_caller]
    plugins = [registry().get(part.spec.family, part.name).plugin for part in parts]
    installed = versions(plugin.distribution for plugin in plugins if not plugin.one_off)
    return installed | {plugin.distribution: plugin.version for plugin in plugins if plugin.one_off}


def _files(inputs: Inputs, members: Members, posthoc: PostHoc) -> str:
    """Digests of files that stages, the network and shifts read: changed files make another run."""
    objective, checkpoint = members.first.objective, members.first.networks.checkpoint
    origin = _digest(members.network.origin) if members.network.origin else ""
    shifts = "".join(shift.files for shift in inputs.shifts)
    return f"{objective.files}{checkpoint}{posthoc.files}{origin}{shifts}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
