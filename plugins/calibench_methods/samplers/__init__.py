"""Samplers: several predictions out of one training, one a file."""
