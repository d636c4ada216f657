"""A plugin that raises on import, as one does whose own dependency is missing; it prints, too."""

print("this line must not reach standard output")
raise ModuleNotFoundError("No module named 'its_dependency'")
