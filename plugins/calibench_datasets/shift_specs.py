"""What `calibench list shifts` says of the shifts of this package; imports nothing heavy."""

from calibench import Param, ShiftSpec
from calibench_datasets.shift.corruption_names import MEAN_OVER

_HENDRYCKS = (
    "D. Hendrycks, T. Dietterich, Benchmarking Neural Network Robustness to Common Corruptions and Perturbations, "
    "ICLR 2019 (arXiv 1903.12261)"
)

_KINDS = Param("kinds", "str", None, "corruptions to take, joined by ';', as fog;snow; not set: the fifteen")
_SEVERITIES = Param("severities", "ints", None, "those to take, as 1;3;5; not set: all five", minimum=1, maximum=5)


def _seed(what: str) -> Param:
    return Param("seed", "int", 0, f"seed of {what}; one shifted test split is shared by all run seeds", minimum=0)


def _published(number: int, record: int) -> ShiftSpec:
    return ShiftSpec(
        name=f"cifar{number}-c",
        target=f"calibench_datasets.shift.cifar_c:cifar{number}_c",
        summary=f"CIFAR-{number}-C: the authors' 15 corruptions x 5 severities of the test images; CIFAR-{number}-C.tar.",
        params=(_KINDS, _SEVERITIES),
        paper=_HENDRYCKS,
        licence="CC BY 4.0",
        source=f"https://zenodo.org/records/{record}, CIFAR-{number}-C.tar (2.9 GB) or what it holds",
        mean_over=MEAN_OVER,
        deviations=("kinds takes the four extra corruptions too; they are shown, and are in no mean",),
    )


SHIFTS = (
    _published(10, 2535967),
    _published(100, 3555552),
    ShiftSpec(
        name="corruptions",
        target="calibench_datasets.shift.corruptions:corruptions",
        summary="The 15 corruptions x 5 severities of CIFAR-10-C, generated for pictures in [0, 1] or 0 .. 255; extra vision.",
        params=(
            _KINDS,
            _SEVERITIES,
            Param("frost", "path", None, "a folder of the authors' frost pictures; not set: frost is generated"),
            _seed("the corruptions"),
        ),
        paper=_HENDRYCKS,
        source="the definitions and CIFAR severities of the authors' make_cifar_c.py, for every size of picture",
        mean_over=MEAN_OVER,
        deviations=(
            "frost without the authors' photographs is a bluish plasma of the same weight, which is milder",
            "random numbers are drawn by numpy's PCG64, so pictures equal the published ones in kind, not in every pixel",
            "motion_blur and snow smear in float64 by ImageMagick's offsets and weights, without its rounding",
            "elastic_transform interpolates in float64, where OpenCV's affine map rounds to 1/32 of a pixel",
            "lengths in pixels (blur, motion, glass) are those for 32 x 32, whatever the size",
            "grey pictures stay grey, and brightness raises their one channel",
        ),
    ),
    ShiftSpec(
        name="rotation",
        target="calibench_datasets.shift.rotation:rotation",
        summary="Pictures turned by 10, 45, 90, 135 and 180 degrees, the protocol of rotated SVHN.",
        params=(Param("angles", "floats", (10.0, 45.0, 90.0, 135.0, 180.0), "counter-clockwise", "degrees"),),
        paper="M. Jordahn, P. Olmos, Decoupling Feature Extraction and Classification Layers, ICML 2024 (arXiv 2405.01196)",
        deviations=("bilinear, with 0 outside the picture; the paper does not say how it interpolates",),
    ),
    ShiftSpec(
        name="label-shift",
        target="calibench_datasets.shift.label_shift:label_shift",
        summary="Other class shares: test rows drawn without repetition to Dirichlet(alpha) shares, or to given ones.",
        params=(
            Param(
                "alphas",
                "floats",
                None,
                "concentrations, one variant each, the smaller the further; not set: 10;1;0.1",
                minimum=0.01,
                maximum=1e6,
            ),
            Param(
                "prior", "floats", None, "shares of the classes in order, joined by ';', instead", minimum=0, maximum=1
            ),
            _seed("the shares and the draw"),
        ),
        paper="Z. Lipton, Y. Wang, A. Smola, Detecting and Correcting for Label Shift with Black Box Predictors, ICML 2018",
        deviations=("each row at most once, so the set shrinks to what the rarest wanted class allows",),
    ),
)
