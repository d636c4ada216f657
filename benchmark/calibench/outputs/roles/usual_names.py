"""The names by which files usually call their labels, their scores and columns that are neither."""

from __future__ import annotations

import re

LABELS = ("labels", "label")
"""The usual names of labels; the first one in a file is taken."""

OTHER_LABELS = (
    "target",
    "targets",
    "y_true",
    "true_label",
    "true_class",
    "ground_truth",
    "gold_label",
    "gold",
    "truth",
    "label_ids",
    "y",
    "class",
)
"""Names of labels that are taken where no usual one is there."""

PROBS = ("probs", "probabilities", "probas", "proba", "pred_probs", "y_prob", "y_proba", "predict_proba", "softmax")
LOGITS = ("logits", "logit", "predictions")
"""Names of arrays of scores; `logits` and `probs` are looked for first. `predictions` is the Hugging Face Trainer's."""

ONE_PROB = ("prob", "p", "p1", "probability", "proba", "y_prob", "y_proba", "pred_prob", "y_score", "score", *PROBS)
ONE_LOGIT = ("logit", "logits", "z", "margin", "decision_function")
"""Names of the one column of scores that two classes may have."""

CONFIDENCE = ("confidence", "conf", "confidences", "max_prob", "top1_prob", "msp")
CORRECT = ("correct", "is_correct", "correctness", "hit", "hits")
"""Names of the confidence of an answer, and of whether it was right, where no other probability is there."""

PREDICTED = (
    *("prediction", "predictions", "predicted", "pred", "preds", "y_pred", "predicted_label", "predicted_class"),
    *("pred_label", "pred_class", "answer"),
)
"""Names of the answers of a classifier."""

TOP_PROBS = ("topk_probs", "topk_prob", "top_k_probs", "topk_values", "top_probs")
TOP_CLASSES = (
    "topk_classes",
    "topk_class",
    "topk_indices",
    "topk_index",
    "topk_labels",
    "top_k_indices",
    "top_classes",
)
"""Names of the k largest probabilities of a row, and of their classes."""

SHARES = ("soft_labels", "soft", "shares", "label_counts", "counts", "votes", "human_probs", "human_counts")
"""Names of the shares or counts of people who gave each label, where a file has no labels."""

CLASS_NAMES = ("class_names", "classes", "label_names", "id2label", "categories")
"""Names of an array of the classes' names in the order of the columns."""

NO_SCORES = frozenset(
    {
        "weight",
        "weights",
        "sample_weight",
        "sample_weights",
        "group",
        "groups",
        "fold",
        "split",
        "time",
        "date",
        "timestamp",
        "year",
        "month",
        "day",
        "hour",
        "epoch",
        *PREDICTED,
        "correct",
        "confidence",
        "filename",
        "file",
        "path",
        "text",
        "sentence",
        "seed",
        "batch",
        "loss",
        "nll",
        "entropy",
    }
)
"""Names of columns that are no scores, unless the user says so."""

INDEX = re.compile(
    r"(|Unnamed: ?\d+(_level_\d+)?|__index_level_\d+__|index|level_0|idx|id|row|row_id|rowid|sample_id|doc_id)\Z"
)
"""Names of columns that may hold the number of a row."""

PROB_COLUMN = re.compile(
    r"(probs?|probas?|probability|probabilities|softmax)[_ .:\-=/|\[]|(p|pr|prob|proba)\d+\Z|p[_(\[]", re.I
)
LOGIT_COLUMN = re.compile(r"logits?[_ .:\-=/|\[]|(logits?|z)\d+\Z", re.I)
"""How the names of columns of probabilities and of logits begin."""
