"""`dividemix`: two networks divide the rows by their losses and learn semi-supervised (Li et al., ICLR 2020)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from calibench import InputError, MethodSpec, Objective, Param, training
from calibench.lazy import functional, nn, torch
from calibench.stages import Batch, TrainTask

PAPER_WARM_UP, PAPER_RAMP = 10, 16
"""The authors' schedule on CIFAR-10, in epochs: 10 of 300 warm up; over the next 16 the unlabelled rows gain their weight."""

SHARE = 4
"""Warm-up and ramp each take at most one epoch in so many. After 7 steps of warm-up the division of a toy set was wrong."""

SPEC = MethodSpec(
    name="dividemix",
    kind="objective",
    target=f"{__name__}:DivideMix",
    summary="DivideMix: two networks tell each other which labels look right; the other rows learn from guessed labels.",
    params=(
        Param(
            "warm_up",
            "int",
            None,
            "epochs of cross-entropy at the start; not set: the paper's 10, but at most a quarter of the epochs",
            "epochs",
            minimum=1,
        ),
        Param("threshold", "float", 0.5, "least probability of a right label (the paper: 0.5)", minimum=0, maximum=1),
        Param(
            "unlabelled",
            "float",
            25.0,
            "weight of the unlabelled rows, lambda_u (the code: 25; the paper: 0 to 150)",
            minimum=0,
        ),
        Param(
            "sharpening", "float", 0.5, "temperature of the guessed labels, T (the paper: 0.5)", minimum=0.01, maximum=1
        ),
        Param("alpha", "float", 4.0, "mixing weights are drawn from Beta(alpha, alpha) (the paper: 4)", minimum=0.01),
    ),
    equation=(
        "loss = CE(p(x'), q') on labelled rows + lambda (p(x') - q')^2 on the others + KL(1/K || mean p); x', q' mixed by mixup; "
        "q = sharpened w onehot(y) + (1-w) p, or the mean of both networks; w = P(right | loss) by a mixture of two Gaussians"
    ),
    paper=(
        "J. Li, R. Socher, S. Hoi, DivideMix: Learning with Noisy Labels as Semi-supervised Learning, ICLR 2020 "
        "(arXiv 2002.07394); code: LiJunnan1992/DivideMix"
    ),
    deviations=(
        "only the first network is judged; the authors add the logits of both",
        "both networks learn in every step; the authors train one for an epoch while the other stands still",
        "a batch holds whatever labelled and other rows it was dealt; the authors draw as many of each",
        "warm-up and ramp are the authors' for CIFAR-10 (10 and 16 of 300 epochs), but at most a quarter of the epochs each",
        "without `augment` the two augmented copies of a row are one",
        "the penalty on confidence for asymmetric noise and the averaged losses for 90 % noise are left out",
    ),
    use_when="many labels are wrong, the data are images, `augment` is set, and training may take many epochs",
    avoid_when="classes are unbalanced, which the penalty works against, or probabilities are used without +temperature",
    cost="two networks and some three forward passes more a step: 6 to 10 times `ce`, and a pass over all rows an epoch",
)


class DivideMix(Objective):
    """Cross-entropy in the warm-up; then MixMatch on the rows that the other network divides into labelled and unlabelled ones.

    At the start of an epoch each network's losses of all rows, scaled to [0, 1], are fitted by a mixture of two Gaussians. The
    probability of the Gaussian of smaller mean is that of a right label. Each network uses the other's division.
    """

    learned = ("second_network",)
    views = 2

    def __init__(
        self, warm_up: int | None, threshold: float, unlabelled: float, sharpening: float, alpha: float
    ) -> None:
        self.warm_up = warm_up
        self.threshold = threshold
        self.unlabelled = unlabelled
        self.sharpening = sharpening
        self.alpha = alpha
        self.right: tuple[torch.Tensor, ...] = ()

    def prepare(self, task: TrainTask) -> None:
        """Build the second network from its own seed: unseeded, it would start with the first network's weights."""
        assert task.x is not None
        self.x, self.labels, self.num_classes = task.x, task.labels, task.num_classes
        self.last_warm_up = self.warm_up or max(1, min(PAPER_WARM_UP, task.epochs // SHARE))
        self.ramp = min(PAPER_RAMP, task.epochs / SHARE)
        if self.last_warm_up >= task.epochs:
            message = f"dividemix: warm_up={self.last_warm_up} leaves none of the {task.epochs} epochs: it would be ce"
            raise InputError(message, "train for more epochs, or warm up for fewer")
        with training.seeded(int(torch.randint(2**62, ()))):
            self.second_network = task.new_network()

    def companions(self) -> Sequence[nn.Module]:
        """The second network."""
        return (self.second_network,)

    def begin_epoch(self, epoch: int) -> None:
        """Forget the division: the first step of the epoch, which has the network, divides the rows anew."""
        self.epoch, self.rows_seen = epoch, 0
        self.right = ()

    def loss(self, logits: torch.Tensor, batch: Batch) -> torch.Tensor:
        """The cross-entropy of all rows, a scalar in nats."""
        return functional.cross_entropy(logits, batch.y)

    def step(self, network: nn.Module, batch: Batch) -> torch.Tensor:
        """The sum of the two networks' losses, a scalar; draws from torch's global generator."""
        networks = network, self.second_network
        if self.epoch <= self.last_warm_up:
            return sum(
                (self.loss(module(batch.x), batch) for module in networks), torch.zeros((), device=batch.y.device)
            )
        if not self.right:
            self.right = tuple(self.right_labels(module) for module in networks)
        done = self.epoch - 1 - self.last_warm_up + self.rows_seen / len(self.labels)
        self.rows_seen += len(batch.rows)
        weight = self.unlabelled * min(1.0, done / self.ramp)
        first, second = (part[batch.rows] for part in self.right)
        return self.mix_match(networks, batch, second, weight) + self.mix_match(networks[::-1], batch, first, weight)

    def right_labels(self, module: nn.Module) -> torch.Tensor:
        """For each training row the probability that its label is right, by the losses of this network, `[N]`."""
        logits = training.predict(module, self.x)  # in eval mode
        module.train()
        losses = functional.cross_entropy(logits.double(), self.labels, reduction="none")
        return smaller_component(losses).to(self.labels.device)

    def mix_match(
        self, networks: tuple[nn.Module, ...], batch: Batch, right: torch.Tensor, weight: float
    ) -> torch.Tensor:
        """The loss of the first of `networks`; `right [n]` are the other's probabilities that the labels are right."""
        own, other = networks
        views = (batch.x, *batch.more_views)
        labelled = right > self.threshold
        targets = self.targets(own, other, views, batch.y, right, labelled)
        x, q = torch.cat(views), targets.repeat(len(views), 1)
        share = float(torch.distributions.Beta(*torch.tensor([self.alpha, self.alpha], dtype=torch.float64)).sample())
        share = max(share, 1 - share)
        partner = torch.randperm(len(x)).to(x.device)
        log_p = own(share * x + (1 - share) * x[partner]).log_softmax(dim=1)
        q = share * q + (1 - share) * q[partner]
        p, labelled = log_p.exp(), labelled.repeat(len(views))
        mean = p.mean(dim=0)
        loss: torch.Tensor = -(mean.clamp_min(torch.finfo(mean.dtype).tiny) * self.num_classes).log().mean()
        if labelled.any():
            loss = loss - (q * log_p).sum(dim=1)[labelled].mean()
        if not labelled.all():
            loss = loss + weight * (p - q)[~labelled].square().mean()
        return loss

    def targets(
        self,
        own: nn.Module,
        other: nn.Module,
        views: Sequence[torch.Tensor],
        labels: torch.Tensor,
        right: torch.Tensor,
        labelled: torch.Tensor,
    ) -> torch.Tensor:
        """Sharpened targets `[n, K]`: the label mixed with the own prediction, or both networks' mean where it is not trusted."""
        other.eval()
        with torch.no_grad():
            by_own, by_other = (
                torch.stack([module(x).softmax(dim=1) for x in views]).mean(dim=0) for module in (own, other)
            )
        other.train()
        trust = right[:, None].to(by_own)
        refined = trust * functional.one_hot(labels, self.num_classes) + (1 - trust) * by_own
        guessed = (by_own + by_other) / 2
        sharp = torch.where(labelled[:, None], refined, guessed) ** (1 / self.sharpening)
        scaled: torch.Tensor = sharp / sharp.sum(dim=1, keepdim=True)
        return scaled

    def suspected(self) -> torch.Tensor | None:
        """The rows that the first network learned without their labels in the last epoch, bool `[N]`; none before a division."""
        return self.right[1] <= self.threshold if self.right else None


def smaller_component(losses: torch.Tensor) -> torch.Tensor:
    """The probability of the Gaussian of smaller mean, `[N]`, in a mixture of two fitted to losses `[N]` scaled to [0, 1].

    The settings of the fit are the authors'. Equal losses are all of the smaller one.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    losses = losses.cpu()
    width = losses.max() - losses.min()
    if width == 0:
        return torch.ones_like(losses)
    scaled = ((losses - losses.min()) / width)[:, None].numpy()
    mixture = GaussianMixture(n_components=2, max_iter=10, tol=1e-2, reg_covar=5e-4, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # ten iterations are meant
        mixture.fit(scaled)
    return torch.from_numpy(mixture.predict_proba(scaled)[:, mixture.means_.argmin()])
