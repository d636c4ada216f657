"""A timm network's configuration in the library, and its starting weights, from a file or from a cache on this machine."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from calibench import models
from calibench.atomic import digest_of
from calibench.data.numpy_files import existing_file
from calibench.errors import InputError
from calibench.lazy import nn, torch
from calibench.models.weight_names import first_few

SHOWN = 5


def config_of(library: Any, name: str) -> Any:
    """The library's configuration of the network: where its weights are, and how their inputs were scaled."""
    base, _, tag = name.partition(".")
    names = library.list_models()
    if base not in names:
        near = difflib.get_close_matches(base.lower(), names, n=SHOWN, cutoff=0.6)
        hint = f"did you mean {' or '.join(near)}?" if near else "timm.list_models('*vit*') lists names"
        raise InputError(f"timm {library.__version__} has no network {name!r}", hint)
    tagged = library.list_models(f"{base}.*", pretrained=True)
    if base != name and name not in tagged:
        tags = ", ".join(tagged_name.partition(".")[2] for tagged_name in tagged)
        raise InputError(f"timm's {base!r} has no weights tagged {tag!r}", f"known: {tags}")
    return library.get_pretrained_cfg(name)


def starting_weights(config: Any, name: str, pretrained: str) -> tuple[dict[str, torch.Tensor] | None, str]:
    """The tensors to start from, None for fresh ones, and a text for the record that identifies them."""
    if pretrained == "false":
        return None, ""
    if pretrained != "true":
        path = existing_file(pretrained)
    elif config is None or not (config.hf_hub_id or config.url):
        raise InputError(f"timm offers no weights of {name!r}", "pretrained=FILE, or leave it out")
    else:
        path = _cached(config, name)
    return models.read_weights(str(path)), f"; begun from {path.name}, SHA-256 {digest_of(path)}"


def _cached(config: Any, name: str) -> Path:
    """The library's file of weights in the cache of the Hugging Face Hub or of torch.hub; InputError if it is in neither."""
    hub = config.hf_hub_id
    if hub:
        from huggingface_hub import try_to_load_from_cache

        for file in (config.hf_hub_filename or "model.safetensors", "model.safetensors", "pytorch_model.bin"):
            path = try_to_load_from_cache(hub, file)
            if isinstance(path, str):
                return Path(path)
    if config.url:
        file_of_url = Path(torch.hub.get_dir()) / "checkpoints" / str(config.url).rpartition("/")[2]
        if file_of_url.is_file():
            return file_of_url
    where = f"hf download {hub} model.safetensors" if hub else f"fetch {config.url}"
    raise InputError(
        f"model timm:name={name},pretrained=true: its weights are not in the cache, and calibench does not download them",
        f"{where}; or pretrained=FILE for a copy elsewhere",
    )


@contextmanager
def load_results() -> Iterator[list[Any]]:
    """The results of all calls of `load_state_dict` inside the block: the library only logs names that do not match."""
    load_state_dict, results = nn.Module.load_state_dict, []

    def recording(module: nn.Module, *args: Any, **options: Any) -> Any:
        results.append(load_state_dict(module, *args, **options))
        return results[-1]

    with patch.object(nn.Module, "load_state_dict", recording):
        yield results


def refuse_misfits(results: list[Any], config: Any, where: str) -> None:
    """InputError unless the file held every tensor of the body, and no other than those of the network."""
    if not results:
        raise InputError(f"{where}: the library took nothing of it", "load all of a network with checkpoint=FILE")
    missing = [name for name in results[-1].missing_keys if not name.startswith(f"{config.classifier}.")]
    surplus = list(results[-1].unexpected_keys)
    faults = ((missing, "are missing"), (surplus, "have no place in it"))
    texts = [f"{len(names)} tensors {fault}: {first_few(names)}" for names, fault in faults if names]
    if texts:
        hint = "names are those of the library; for others use checkpoint=FILE and checkpoint_rename"
        raise InputError(f"{where}: {'; '.join(texts)}", hint)
