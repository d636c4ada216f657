"""`calibench bench`: our kernels against what users run today, on the same tensors, in one process, interleaved.

`case` says what is compared, `ops` holds one file of contenders an operator, `runner` times them, `memory` measures
what they hold, `agreement` refuses to compare the speed of different answers, `output` makes JSON and tables.
"""
