"""Trackers of experiments on calibench's lifecycle hooks: TensorBoard, Weights & Biases, MLflow, Comet."""
