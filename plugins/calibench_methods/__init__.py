"""calibench's own methods, one a file; `plugin` lists them."""
