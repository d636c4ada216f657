"""The trained part of a run: the stages of a recipe for each member of an ensemble, and the post-hoc stages after them."""
