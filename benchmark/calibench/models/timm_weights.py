"""What a network of timm begins with: its name in the library, and weights from a file or from a cache of this machine."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from calibench import models
from calibench.atomic import digest_of
from calibench.data.numpy_files import existing
from calibench.errors import InputError
from calibench.lazy import nn, torch
from calibench.models.weight_names import few

SHOWN = 5


def config_of(library: Any, name: str) -> Any:
    """What the library says of the network: where its weights are, and what their inputs were scaled by."""
    base = name.partition(".")[0]
    names = library.list_models()
    if base not in names:
        near = difflib.get_close_matches(base.lower(), names, n=SHOWN, cutoff=0.6)
        hint = f"did you mean {' or '.join(near)}?" if near else "timm.list_models('*vit*') lists names"
        raise InputError(f"timm {library.__version__} has no network {name!r}", hint)
    tags = library.list_models(f"{base}.*", pretrained=True)
    if base != name and name not in tags:
        tags = [tag.partition(".")[2] for tag in tags]
        raise InputError(
            f"timm's {base!r} has no weights tagged {name.partition('.')[2]!r}", f"known: {', '.join(tags)}"
        )
    return library.get_pretrained_cfg(name)


def weights_of(config: Any, name: str, pretrained: str) -> tuple[dict[str, torch.Tensor] | None, str]:
    """The tensors to begin with, None for fresh ones, and what the record says of them."""
    if pretrained == "false":
        return None, ""
    if pretrained != "true":
        path = existing(pretrained)
    elif config is None or not (config.hf_hub_id or config.url):
        raise InputError(f"timm offers no weights of {name!r}", "pretrained=FILE, or leave it out")
    else:
        path = _cached(config, name)
    return models.read_weights(str(path)), f"; begun from {path.name}, SHA-256 {digest_of(path)}"


def _cached(config: Any, name: str) -> Path:
    """The library's file of weights in the cache of the Hugging Face Hub, or of torch.hub; InputError if it is in neither."""
    hub = config.hf_hub_id
    if hub:
        from huggingface_hub import try_to_load_from_cache

        for file in (config.hf_hub_filename or "model.safetensors", "model.safetensors", "pytorch_model.bin"):
            found = try_to_load_from_cache(hub, file)
            if isinstance(found, str):
                return Path(found)
    if config.url:
        kept = Path(torch.hub.get_dir()) / "checkpoints" / str(config.url).rpartition("/")[2]
        if kept.is_file():
            return kept
    where = f"hf download {hub} model.safetensors" if hub else f"fetch {config.url}"
    raise InputError(
        f"model timm:name={name},pretrained=true: its weights are not in the cache, and nothing is downloaded unasked",
        f"{where}; or pretrained=FILE for a copy elsewhere",
    )


@contextmanager
def loading() -> Iterator[list[Any]]:
    """What `load_state_dict` says inside the block: the library logs names that do not match, and goes on."""
    usual, said = nn.Module.load_state_dict, []

    def recorded(module: nn.Module, *args: Any, **options: Any) -> Any:
        said.append(usual(module, *args, **options))
        return said[-1]

    with patch.object(nn.Module, "load_state_dict", recorded):
        yield said


def refuse_misfits(loaded: list[Any], config: Any, where: str) -> None:
    """InputError unless every tensor of the body was in the file, and nothing else."""
    if not loaded:
        raise InputError(f"{where}: the library took nothing of it", "load all of a network with checkpoint=FILE")
    missing = [name for name in loaded[-1].missing_keys if not name.startswith(f"{config.classifier}.")]
    extra = list(loaded[-1].unexpected_keys)
    said = [
        f"{len(names)} tensors {what}: {few(names)}"
        for names, what in ((missing, "are missing"), (extra, "have no place in it"))
        if names
    ]
    if said:
        raise InputError(
            f"{where}: {'; '.join(said)}",
            "names are those of the library; for others checkpoint=FILE and checkpoint_rename",
        )
