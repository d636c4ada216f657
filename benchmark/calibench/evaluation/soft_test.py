"""The test of calibration where people gave several labels a sample: the shares of people are judged, not their majority.

If the model is calibrated, each residual `share - probability` has mean 0. The null distribution flips the sign of all
residuals of a sample at random (wild bootstrap, Wu 1986, with Rademacher weights), so nobody has to know how many people
were asked. It is exact for symmetric residuals, and approximate for others.
"""

from __future__ import annotations

from collections.abc import Iterator

from calibench.evaluation.finding import Compared, Finding, findings_in
from calibench.evaluation.joint_test import joint_test
from calibench.lazy import np
from calibench.metrics.binning import Floats, one_hot
from calibench.metrics.blocks import block_rows
from calibench.metrics.judged import Judged
from calibench.metrics.judged_weights import once, times_weight, total_of
from calibench.metrics.noise_floor import DRAWS
from calibench.metrics.weighted import weighted_sums

STREAM = 2
"""Separates the random stream of the signs from those of the bootstrap and of the noise floor."""

TOP, ECE, CLASSES = "top label", "ece", "classes"


def soft_findings(judged: Judged, bins: int, seed: int) -> tuple[list[Finding], float | None]:
    """The findings against the shares of people, and the gap of the top label that is found 4 times in 5.

    The sum of `share - confidence` of the predicted class, ECE over `bins` bins with shares in place of correctness, and
    the sum of `share - probability` of every class are tested together.
    """
    assert judged.soft is not None
    rows, weight, total = np.arange(judged.n), once(judged).T, total_of(judged)
    shares, residuals = judged.soft[rows, judged.prediction], judged.soft - judged.probs
    top = shares - judged.confidence
    in_bin = one_hot(judged.bin_index(bins), bins) * top[:, None]
    columns = np.concatenate([top[:, None], residuals, in_bin], axis=1) * weight
    errors = np.sqrt((columns**2).sum(axis=0))
    num_classes = judged.num_classes

    def figures(signs: Floats) -> dict[str, Floats]:
        sums = np.abs(weighted_sums(signs, columns))
        z = sums / np.where(errors > 0, errors, 1)
        ece = sums[:, 1 + num_classes :].sum(axis=1, keepdims=True) / total
        return {TOP: z[:, :1], CLASSES: z[:, 1 : 1 + num_classes], ECE: ece}

    observed = {name: values[0] for name, values in figures(np.ones((1, judged.n))).items()}
    blocks = [figures(signs) for signs in _signs(judged.n, seed)]
    drawn = {name: np.concatenate([block[name] for block in blocks]) for name in observed}
    test = joint_test(observed, drawn)
    predicted, observed_shares = (
        times_weight(judged, values).sum(keepdims=True) for values in (judged.confidence, shares)
    )
    compared = Compared(predicted, observed_shares, errors[:1], total)
    by_class = [(values * weight).sum(axis=0) for values in (judged.probs, judged.soft)]
    of_classes = Compared(by_class[0], by_class[1], errors[1 : 1 + num_classes], total)
    above_chance = observed[ECE] - drawn[ECE].mean(axis=0)
    top_p = np.minimum(test.p[TOP], test.p[ECE])
    findings = findings_in("soft", compared, top_p, test.critical[TOP], ["top label"], above_chance)
    findings += findings_in("soft", of_classes, test.p[CLASSES], test.critical[CLASSES], judged.class_names)
    detectable = compared.detectable(test.critical[TOP])
    return findings, None if detectable is None else float(detectable[0])


def _signs(n: int, seed: int) -> Iterator[Floats]:
    """Blocks `[d, N]` of random signs, `DRAWS` rows in all."""
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence((seed, STREAM))))
    rows = block_rows(n)
    for start in range(0, DRAWS, rows):
        signs: Floats = generator.integers(0, 2, size=(min(rows, DRAWS - start), n)).astype(np.float64) * 2 - 1
        yield signs
