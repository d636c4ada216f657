"""Files that evaluation harnesses and training libraries write, recognised by their content: one tool a module."""
