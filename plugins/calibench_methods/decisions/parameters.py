"""Parameters that several decision rules share."""

from calibench import Param

VALUE = Param("value", "float", 0.5, "one threshold for all classes", "probability", minimum=0, maximum=1)


def values_param(meaning: str) -> Param:
    """The parameter `values`: a list of thresholds."""
    return Param("values", "floats", None, f"{meaning}, as 0.2;0.4;0.4", "probability", minimum=0, maximum=1)


CAL_SPLIT = Param(
    "cal_split",
    "str",
    None,
    "the share of cal for the calibrators of a rule with a guarantee; cross-fit: all of it for both, with an approximate "
    "guarantee; not set: a fifth of 250 samples or more for temperature, else half; all where a temperature changes no answer",
    choices=("fifth", "half", "cross-fit"),
    late=True,
)

SHARING = (
    "with a guarantee, a calibrator in the recipe may not have seen the samples of the limit, which it would make look better "
    "than they are: temperature is fitted on a fifth of cal (half of fewer than 250 samples, or where a fifth has no finite "
    "one), others on half, the limit on the rest. Temperature keeps the order of two classes, and then both have all of cal. "
    "cal_split=cross-fit uses all of cal for both: the limit is one of out-of-fold probabilities, and the guarantee "
    "approximate (docs/evidence/decisions.md)"
)
"""The deviation of every rule with a guarantee."""
