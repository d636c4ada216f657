"""calibench's own datasets, noise models and shifts, one a file; `plugin` registers them."""
