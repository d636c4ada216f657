"""Networks that `--model` names, one file each; their layers are in `models/layers`."""
