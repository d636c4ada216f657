"""From arrays to checked, split, fingerprinted data: read `arrays`, `splits`, `prepare`, in that order."""
