"""Evaluations of a pretraining run's frozen encoder. The config's argument picks one or several.

    python -m contrastive_jax evaluate --config=configs/evaluate.py:knn,logistic --config.pretrained=runs/a

    knn          weighted k-nearest neighbours at k = 10, 20, 100 and 200, and the nearest class mean
    logistic     logistic regression by L-BFGS; one of SimCLR's 45 penalties is chosen on a held-out slice
    ridge        ridge regression in closed form, chosen alike
    few_shot     class means from 1, 5 and 10 labels per class, and from 1 % and 10 % of the labels
    calibration  ECE, NLL and Brier score of logistic regression, before and after a temperature from the slice
    early_exit   accuracy against multiply-adds: per exit, and by a threshold of confidence from the slice
    retrieval    precision at 1, R-precision and MAP@R of the test set, and NMI of k-means
    geometry     alignment, uniformity, SDSSL's D, RankMe and alpha-ReQ of the test set

Each has a section of its name: `--config.few_shot.shots="(1,2,4)"`. The linear evaluation is a command of its own
(`linear_eval.py`).
"""

from contrastive_jax.config.presets import evaluations


def get_config(argument="knn"):
    return evaluations(*argument.split(","))
