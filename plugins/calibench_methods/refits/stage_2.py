"""Stage 2 of TST, V-TST and mean-field: calibench's training loop on features, to a plateau or for the paper's budget."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from calibench import HeadRefit, InputError, training
from calibench.lazy import nn, torch
from calibench.stages import RefitTask
from calibench_methods.refits.views import check_images, random_views

if TYPE_CHECKING:
    from calibench import Network

PAPER_EPOCHS, PAPER_LR, PAPER_BATCH = 40, 1e-4, 256
"""`budget=paper`. The paper states no batch size for stage 2; 256 is that of its stage 1."""

LR = 1e-3
"""Adam moves a weight by about this much a step: at the paper's 1e-4, 40 epochs of small data leave a new head where it began."""

MIN_BATCHES = 16
"""Least number of batches per epoch if the batch size is not set: small data needs steps more than it needs large batches."""

VALIDATION_SEED = 0x5EED
"""Every epoch is validated with the same random draws, so that epochs differ by the head and not by luck."""


@dataclass(frozen=True)
class Stage2:
    """The stage-2 parameters as the user set them; `schedule` fills in the others when the number of rows is known."""

    epochs: int | None
    lr: float | None
    batch_size: int | None
    weight_decay: float
    select: str
    budget: str = "plateau"
    patience: int | None = None
    views: int = 1
    shift: int | None = None
    flip: bool = False
    default_lr: float = LR

    def __post_init__(self) -> None:
        """InputError for a setting beside `budget=paper`, which decides it."""
        idle = [key for key in ("epochs", "patience", "lr", "batch_size") if getattr(self, key) is not None]
        if self.budget == "paper" and idle:
            message = (
                f"budget=paper decides {idle[0]}: {PAPER_EPOCHS} epochs of batches of {PAPER_BATCH} at lr {PAPER_LR:g}"
            )
            raise InputError(message, f"drop {idle[0]} or budget=paper")

    def check(self, name: str, network: Network, input_shape: tuple[int, ...]) -> None:
        """InputError if views are asked for and rows are not images, or if `shift` or `flip` is set with `views=1`."""
        if self.views == 1:
            idle = "shift" if self.shift is not None else "flip" if self.flip else None
            if idle is not None:
                raise InputError(f"{name}: {idle} would do nothing with views=1", f"add views=4, as in {name}:views=4")
            return
        if network.pretrained and not network.has_body:
            message = f"{name}: views need a body to compute their features, and the model has none"
            raise InputError(message, "leave the views out")
        check_images(name, input_shape, self.shift, self.flip)

    def features(self, task: RefitTask) -> torch.Tensor:
        """Features of the training rows in every view, `[views, N, D]`; the first view is the rows unchanged."""
        unchanged = task.train_features[None]
        if self.views == 1 or task.augmented is None:
            return unchanged
        height = task.input_shape[-2]
        views = random_views(self.views - 1, self.shift, self.flip, height)
        return torch.cat([unchanged, *(task.augmented(view)[None] for view in views)])

    def schedule(self, rows: int) -> training.Schedule:
        """To the plateau of the validation NLL unless `epochs` are set; or exactly the paper's 40 epochs."""
        if self.budget == "paper":
            return training.Schedule(PAPER_EPOCHS, PAPER_LR, PAPER_BATCH, self.weight_decay, self.select)
        batch = self.batch_size or min(PAPER_BATCH, max(rows // MIN_BATCHES, 1))
        lr = self.default_lr if self.lr is None else self.lr
        end = training.end_of_training(self.epochs, self.patience, rows, batch)
        return training.Schedule(
            lr=lr, batch_size=batch, weight_decay=self.weight_decay, select=self.select, **end._asdict()
        )


class FeatureRefit(HeadRefit):
    """A refit that trains its head by gradient descent on features; a subclass defines the head and its loss."""

    name: ClassVar[str]
    title: ClassVar[str]
    """The name on the progress bar."""
    default_lr: ClassVar[float] = LR

    def __init__(self, **stage_2: Any) -> None:
        self.stage_2 = Stage2(**stage_2, default_lr=self.default_lr)

    def check(self, network: Network, input_shape: tuple[int, ...]) -> None:
        """InputError for views that the rows or the network do not allow."""
        self.stage_2.check(self.name, network, input_shape)

    @abstractmethod
    def loss(self, head: nn.Module, features: torch.Tensor, labels: torch.Tensor, rows: int) -> torch.Tensor:
        """The mean loss of a batch of features `[n, D]` and labels `[n]`, a scalar; `rows` is the size of the training split."""

    def validation_nll(self, head: nn.Module, task: RefitTask) -> float:
        """The NLL of the head's prediction on the validation split, in nats; random draws are the same at every call."""
        with training.seeded(VALIDATION_SEED):
            return training.mean_nll(self.outputs(head, task.val_features).logits(), task.val_labels)

    def fit(self, head: nn.Module, task: RefitTask) -> dict[str, float]:
        """Train the head in place; returns the epoch kept and its validation NLL."""
        views, labels = self.stage_2.features(task), task.train_labels
        features = views.flatten(0, 1)

        def step(rows: torch.Tensor) -> torch.Tensor:
            indices = rows
            if len(views) > 1:  # a new random view for each row
                indices = rows + len(labels) * torch.randint(len(views), rows.shape).to(rows.device)
            batch_features, batch_labels = features.index_select(0, indices), labels.index_select(0, rows)
            return self.loss(head, batch_features, batch_labels, len(labels))

        def validate() -> float:
            return self.validation_nll(head, task)

        schedule = self.stage_2.schedule(len(labels))
        progress = f"stage 2, {self.title}"
        return training.train(head, step, validate, len(labels), schedule, task.report, progress, resume=task.resume)
