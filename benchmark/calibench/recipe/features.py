"""Features of the frozen body: computed once for every split, in eval mode, so that no weight or statistic can change."""

from __future__ import annotations

import torch

from calibench.cache.keys import identity, stage_key
from calibench.cache.results import StageResult, StageResults
from calibench.config.grammar import who
from calibench.data.on_device import OnDevice
from calibench.data.prepare import SPLITS
from calibench.errors import blaming
from calibench.recipe.networks import Networks
from calibench.training.prediction import predict


def features_of_splits(
    body_key: str, networks: Networks, rows: OnDevice, results: StageResults
) -> dict[str, torch.Tensor]:
    """Features `[N, D]` of every split, from the cache or computed now."""
    network, model = networks.first, networks.stages.model

    def compute() -> StageResult:
        with blaming(who(model)):
            features = {name: predict(network.body, rows.x(name), processes=results.processes) for name in SPLITS}
            return StageResult(features, {})

    key = stage_key("features", body_key)
    # A pretrained body depends on neither seed nor labels: share its features across both.
    if networks.origin and network.pretrained:
        where = [torch.__version__, torch.get_num_threads(), rows.device.type]
        key = stage_key("features", identity(model), rows.data.clean_fingerprint, *networks.origin, where)
    # Without a body the features are the data itself, not worth a second copy on disk.
    result = results.get_or_make("features", key, compute, keep=network.has_body, together=True)
    return {name: features.to(rows.device) for name, features in result.tensors.items()}
