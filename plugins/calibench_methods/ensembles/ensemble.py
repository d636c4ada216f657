"""`ensemble`: deep ensembles (Lakshminarayanan et al., NeurIPS 2017)."""

from collections.abc import Sequence

from calibench import Ensemble, MethodSpec, Outputs, Param
from calibench.outputs.outputs import average
from calibench_methods.samplers.parameters import COMBINE

SPEC = MethodSpec(
    name="ensemble",
    kind="ensemble",
    target=f"{__name__}:DeepEnsemble",
    summary="Deep ensemble: trains the recipe to its left from several seeds, and averages the predictions.",
    params=(
        Param("members", "int", 5, "number of trainings (the paper: 5)", minimum=2),
        COMBINE,
    ),
    equation="p = mean over m of softmax(f(x; w_m)); combine=logits: p proportional to exp(mean over m of log p_m)",
    use_when=(
        "five trainings are affordable: it lowers error and NLL together, and holds best under shift (Ovadia et al. "
        "2019)"
    ),
    avoid_when="members are under-confident: averaging lowers confidence further; a temperature after it mends that",
    cost="5 trainings of all stages to its left (2.5 to 3.9 x ce on small networks), one shared with the run without it",
    paper=(
        "B. Lakshminarayanan, A. Pritzel, C. Blundell, Simple and Scalable Predictive Uncertainty Estimation using "
        "Deep Ensembles, NeurIPS 2017 (arXiv 1612.01474)"
    ),
    deviations=("without the paper's adversarial training",),
)


class DeepEnsemble(Ensemble):
    """The mean of the members' probabilities, or the softmax of the mean of their log-probabilities."""

    def __init__(self, members: int, combine: str) -> None:
        self.members = members
        self.average_of = combine

    def combine(self, outputs: Sequence[Outputs]) -> Outputs:
        """The members' average, outputs `[N, K]`."""
        return average(outputs, self.average_of)
