"""calibench's own datasets and label-noise models, one a file; `plugin` lists them."""
