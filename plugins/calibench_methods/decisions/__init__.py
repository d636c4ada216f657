"""Decision rules: thresholds, costs, conformal sets, one a file."""
