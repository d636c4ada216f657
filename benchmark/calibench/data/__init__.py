"""From a dataset's arrays to checked, split, fingerprinted data: read `arrays`, `splits`, `prepare` and `noise`, in that order."""
