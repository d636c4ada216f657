"""Records to boards: methods ranked within one protocol. Nothing here imports torch."""
