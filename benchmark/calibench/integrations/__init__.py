"""calibench inside other tools: pytest, scikit-learn, Lightning and Hugging Face's Trainer, one tool a file.

Each file imports its tool, so nothing is imported here. `pytest_plugin.py` is loaded by every pytest of an environment that has
calibench, so it imports nothing else.
"""
