"""`ensemble`: deep ensembles (Lakshminarayanan et al., NeurIPS 2017)."""

from collections.abc import Sequence

from calibench import Ensemble, Outputs
from calibench.outputs.outputs import average


class DeepEnsemble(Ensemble):
    """The mean of the members' probabilities, or the softmax of the mean of their log-probabilities."""

    def __init__(self, members: int, combine: str) -> None:
        self.members = members
        self.how = combine

    def combine(self, outputs: Sequence[Outputs]) -> Outputs:
        """Outputs `[N, K]`."""
        return average(outputs, self.how)
