"""Calibration maps: a fit that leaves calibench as one JSON file, and the forms in which it is applied elsewhere.

`fit.py` fits a map, `document.py` holds the JSON document, `calibration_map.py` is the object that maps scores, and `apply.py`
maps a file. `torch_module.py`, `sklearn_estimator.py`, `onnx_export.py` and `snippet.py` are its other forms.
"""
