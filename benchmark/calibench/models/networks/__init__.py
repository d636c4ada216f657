"""Networks that `--model` names, one a file; the layers that they need stand in `models/layers`."""
