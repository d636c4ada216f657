"""OOD scores of a body's features: one score a file, its `SPEC` above its class."""
