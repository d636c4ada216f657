"""Parameters that several decision rules share."""

from calibench import Param

VALUE = Param("value", "float", 0.5, "one threshold for all classes", "probability", minimum=0, maximum=1)


def values_param(meaning: str) -> Param:
    """The parameter `values`: a list of thresholds."""
    return Param("values", "floats", None, f"{meaning}, as 0.2;0.4;0.4", "probability", minimum=0, maximum=1)


SHARING = (
    "with a guarantee, a calibrator in the recipe may not have seen the samples of the limit, which it would make look better "
    "than they are: cal is shared as cal_split says"
)
"""The deviation of every rule with a guarantee."""
