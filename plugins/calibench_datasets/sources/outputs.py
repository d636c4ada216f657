"""`outputs`: stored logits or probabilities of any classifier, with samples to fit maps on and others to judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from calibench import REQUIRED, Arrays, DatasetSpec, InputError, Param
from calibench.lazy import np
from calibench.outputs.columns import Columns
from calibench.outputs.readers import SamplesFile, aligned, read_samples
from calibench_datasets.readers.output_rows import log_probabilities, output_rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPEC = DatasetSpec(
    name="outputs",
    target=f"{__name__}:outputs",
    summary="Stored logits or probabilities of any classifier, to fit calibrators on and to judge; for --model frozen.",
    params=(
        Param("path", "path", REQUIRED, "a file that `calibench evaluate` reads: the samples to judge"),
        Param("fit", "path", None, "a file of the samples to fit on; not set: those of cal in the same file (.h5)"),
        Param("group", "str", None, "of an .h5 file in CalArena's layout: the experiment, as adult/forest"),
    ),
    licence="yours",
    source="the file",
    stored_outputs=True,
)


def outputs(path: str, fit: str | None, group: str | None) -> Arrays:
    """The logits and labels of two files, or of `cal` and `test` in one `.h5` file.

    Probabilities become `log(max(p, 1e-30))`. Classes are aligned by name. InputError for a file that cannot be read, for
    samples of several labels, and for one file that does not hold both kinds of samples.
    """
    if fit is None and group is None and not path.lower().endswith((".h5", ".hdf5")):
        raise InputError(
            f"{path}: there are no samples to fit on", f"name a file of them: outputs:path={path},fit=FILE"
        )
    layout = f"h5:group={group}" if group is not None else None
    judged = read_samples(path, Columns(format=layout))
    fitted = aligned(read_samples(fit or path, Columns(format=layout, to_fit=True)), judged)
    names = judged.class_names
    data = (group or "").strip("/").rpartition("/")[0]  # adult of adult/forest
    return output_rows(_pair(fitted), _pair(judged), () if names is None else tuple(names), group=data)


def _pair(samples: SamplesFile) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Logits `[N, K]` and class indices `[N]`."""
    outputs, labels = samples.samples
    classes = np.asarray(labels)
    if classes.ndim > 1 or outputs.labels_per_sample > 1:
        raise InputError(f"{samples.path}: its samples have several labels", "judge it with calibench evaluate")
    scores = np.asarray(outputs.array, dtype=np.float64)
    return log_probabilities(scores) if outputs.from_probs else scores, classes.astype(np.int64)
