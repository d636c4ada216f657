"""From a dataset's arrays to checked, split, fingerprinted data: read `arrays`, `splits`, `prepare` and `noise`, in that order."""

from functools import partial

from calibench import moved

__getattr__ = partial(moved.attribute, __name__)
