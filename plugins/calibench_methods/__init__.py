"""calibench's own methods, one per file; `plugin` registers them."""
