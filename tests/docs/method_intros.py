"""What the pages of methods say beside the specs: titles, introductions, figures, and the text of methods.md."""

from __future__ import annotations

from typing import NamedTuple

from calibench.plugins.specs import StageKind


class Page(NamedTuple):
    """What the page of a kind of stage says beside the specs, and what methods.md says of the kind."""

    folder: str
    title: str
    most: str
    does: str
    intro: str


OBJECTIVES = """
An objective is the loss that stage 1 minimises. calibench's one training loop trains every
objective, so every objective also takes
[the settings of the loop](../methods.md#settings-of-the-training-loop).

Objectives that estimate the noise train `folds` more networks. Each network is cached, and these
objectives share them. [Label noise](../../guides/label-noise.md) shows how to train with wrong
labels, and [evidence/noise.md](../../evidence/noise.md) has every objective under three kinds of
label noise, over three seeds. A cost such as "2.5 x ce" is that of a whole run beside one of `ce`,
from [evidence/costs.md](../../evidence/costs.md).
"""

REFITS = """
A head refit is stage 2. It freezes the body and computes the features once, so an epoch needs no
pass of the body. `views=4` also computes features of shifted (`shift`) and mirrored (`flip`) copies
of the images, and draws one of the four for each row of each batch.
[evidence/recipes.md](../../evidence/recipes.md) has head refits on CIFAR-10.
"""

SAMPLERS = """
A sampler makes several predictions from one training, and averages them. `combine=probs` averages
probabilities, `combine=logits` averages log-probabilities.
"""

ENSEMBLES = """
An ensemble trains several times. `ensemble:members=5` wraps everything to its left. Its member 0 is
the run without the ensemble, so both share that training. `vtst+swag+ensemble:members=3` is a
sensible, if slow, recipe.
"""

CALIBRATORS = """
A calibrator is a post-hoc map of outputs, fitted on the cal split, or on `--fit-on FILE` of
`calibench evaluate`. Several are fitted in the order of the recipe.
[calibrators.md](../calibrators.md) says which maps change answers, what each refuses, and which
equal those of other packages. [evidence/calibrators.md](../../evidence/calibrators.md) compares
calibrators on three stored networks (LeNet-5, WRN-16-4 and DenseNet on CIFAR-100), from which the
figures below come.
"""

DECISIONS = """
A decision rule answers with a class, with nothing, or with a set. The record holds every rule's
realised coverage, selective risk, abstention rate of each class, and risk-coverage curve. For a
fitted rule it also holds the target beside the figure reached. Samples with several labels have
[a guide of their own](../../guides/several-labels.md).
"""

NOISY_DIGITS = """
Digits with noise in their pixels, 800 training rows, `mlp:dropout=0.1`, the last of 60 epochs kept,
seed 0: a network that is far too sure. Each method with its defaults. Accuracy by confidence in ten
bins of equal count, on 4 782 test rows; dashed: calibrated.
"""

UNSHIFTED = """
`tta` loses accuracy here: a fully connected network that was trained without shifts does not bear a
shift by one pixel in eight.
"""

FIGURES: dict[StageKind, tuple[tuple[str, str, str], ...]] = {
    "objective": (
        (
            "objectives-loss",
            "The loss by the margin of the label's logit",
            """
The loss of one row in ten classes whose label 1 % of the training rows have, by the margin of the
label's logit over the others. A loss that rises on the right moves confidence away from certainty.
A loss that lies to the right of cross-entropy asks for a larger margin. `adafocal` is drawn as it
starts, with every gamma at 1.
""",
        ),
        (
            "objectives-loss-noise",
            "The loss by the margin, for wrong labels",
            """
The same for objectives that are made for wrong labels. A loss that levels off on the left is
bounded: a wrong label pulls little. A loss that falls for ever on the right moves confidence
towards certainty. `gjs` is drawn for two equal copies of an image.
""",
        ),
        (
            "objectives",
            "Accuracy by confidence of each objective",
            """
Accuracy by confidence on digits with a little noise in their pixels: 800 training rows,
`mlp:dropout=0.1`, the last of 60 epochs kept, seed 0. NLL on clean test rows: with clean training
labels / with 30 % wrong ones. Above the diagonal confidences are too low, below it too high. It is
one small example; [evidence/noise.md](../../evidence/noise.md) has MNIST and CIFAR-10 features.
""",
        ),
        (
            "objectives-noise",
            "Accuracy by confidence, for wrong labels",
            """
The same for objectives that are made for wrong labels, beside `ce`. `gjs` and `dividemix` stand
without the augmentation that they are made for; a rate or a matrix is estimated.
""",
        ),
    ),
    "refit": (("refits", "Accuracy by confidence before and after each head refit", NOISY_DIGITS),),
    "sampler": (("samplers", "Accuracy by confidence before and after each sampler", NOISY_DIGITS + UNSHIFTED),),
    "ensemble": (("ensembles", "Accuracy by confidence before and after the ensemble", NOISY_DIGITS),),
    "calibrator": (
        (
            "calibrators",
            "The map of each calibrator, beside the right map",
            """
Each map with its defaults, fitted on 2 000 rows of two classes. The model is twice too sure and
favours one class, so the right map is known. A map of the confidence of the answer alone
(`of=top`), and one map for all classes (such as `temperature` and `irm`), cannot see that the model
favours a class. `prior-correction` stands with the settings that correct only this favour: it
leaves the sharpness as it is.
""",
        ),
    ),
    "decision": (
        (
            "decisions",
            "Coverage and error rate of each decision rule",
            """
Four classes, logits twice too large, rules fitted on 1 000 rows and judged on 20 000. A rule on the
grey line answers the surest rows by max-softmax. `sigmoid-threshold` reads a sigmoid a class, for
which these logits are not meant, and lies above it. "Sets of 1.49": classes in a set, in the mean.
`target_cost` has the costs of the panel `cost`. The rules keep their targets with a guarantee, and
so leave some room.
""",
        ),
    ),
}
"""By kind the figures of its page: the file's name, the alternative text, and the caption."""

PAGES: dict[StageKind, Page] = {
    "objective": Page(
        "objectives", "Training objectives", "1", "the loss of stage 1; `ce` if none is named", OBJECTIVES
    ),
    "refit": Page("refits", "Head refits", "1", "trains the last layers again: stage 2", REFITS),
    "sampler": Page("samplers", "Samplers", "1", "averages several predictions of one training", SAMPLERS),
    "ensemble": Page("ensembles", "Ensembles", "1", "averages several trainings of all to its left", ENSEMBLES),
    "calibrator": Page(
        "calibrators", "Calibrators", "any number", "maps outputs after training, fitted on cal", CALIBRATORS
    ),
    "decision": Page("decisions", "Decision rules", "1", "answers, abstains, or names a set of classes", DECISIONS),
}

INDEX = """
# Methods
A method is a recipe: a chain of stages, joined by `+`. Written by
`python tests/docs/method_pages.py`.

## Recipes
Each stage is `name` or `name:key=value,key=value`. A value that is a list is joined by `;`; one
that holds a comma, a plus or a quotation mark stands in double quotes. Stages stand in this order:

{stages}

| recipe | meaning |
| --- | --- |
| `ce` | cross-entropy alone, the baseline |
| `vtst:latent_dim=64` | `ce`, then V-TST: a recipe without an objective uses `ce` |
| `focal:gamma=2,lr=0.01+temperature` | an objective with a setting of the training loop, and a calibrator |
| `temperature+isotonic:of=top` | two calibrators, the second fitted on what the first returns |
| `ensemble:members=5+threshold:target_risk=0.02` | five networks, and a rule that abstains |

Every stage is optional. A chain in another order, or with two stages of one name, is refused, and
the message states the order. `--set ce.lr=0.1` sets a parameter outside the recipe.
`calibench list methods` lists the methods, and `calibench show method NAME` prints what a page says
of one. A method of [your own](../guides/plugins.md) goes into recipes, boards and both commands in
the same way.

One contract test (`tests/methods/test_contract.py`) covers every method, alone and in at least 100
drawn compositions: probabilities are valid and finite, the same seed gives the same bytes with and
without the cache, and the record is JSON. [evidence/costs.md](../evidence/costs.md) has the seconds
and the memory of methods.
"""

SETTINGS = """
## Settings of the training loop
Every objective takes them, since one loop trains all: optimiser, schedule, clipping, accumulation,
a running mean of the weights. An example:
`ce:optimizer=sgd,lr=0.1,weight_decay=5e-4,lr_schedule=cosine,warmup=5,epochs=200`. A setting
without effect is refused. [The training guide](../guides/training.md) covers augmentation, mixed
precision, `torch.compile`, several GPUs, and resuming a killed run.
"""
