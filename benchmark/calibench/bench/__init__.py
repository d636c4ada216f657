"""`calibench bench`: our kernels against the code that users run today, on the same tensors, in one process, in turns.

`case` defines operators, cases and contenders, `ops` has a file of contenders per operator, `runner` times them, `memory`
measures their peak memory, `agreement` keeps different answers out of the comparison of speed, `suite` makes the JSON
document and `output` its tables. `judge` measures a whole judgement the same way, and `methods` the cost of each method.
"""
