"""One tracker a file: its `SPEC` stands above its class."""
