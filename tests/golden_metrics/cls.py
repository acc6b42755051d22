"""Group `cls`: prototypes and mean accuracy of classes. k-means of regions and trustworthiness are not covered yet."""

import numpy as np
from golden_metric import MetricCase

from contrastive_jax.evaluate import few_shot
from contrastive_jax.evaluate.accuracy import mean_per_class


def prototype(case: MetricCase):
    case.expect(arrays="in_(train|test)_(features|labels) out_(centroids|(pred|acc)_(euclid|cosine))")
    labels, truth = case.array("in_train_labels"), case.array("in_test_labels")
    means = few_shot.prototypes(case.array("in_train_features"), labels, classes=int(labels.max()) + 1)
    euclid = few_shot.nearest(means, case.array("in_test_features"))
    cosine = few_shot.most_similar(means, case.array("in_test_features"))
    return {
        "out_centroids": means,
        "out_pred_euclid": euclid,
        "out_acc_euclid": np.mean(euclid == truth),
        "out_pred_cosine": cosine,
        "out_acc_cosine": np.mean(cosine == truth),
    }


def per_class(case: MetricCase):
    case.expect(arrays="in_(labels|preds) out_(mean_per_class|ssl_transfer_percent|torchmetrics_macro|top1)")
    labels, predictions = case.array("in_labels"), case.array("in_preds")
    percent = mean_per_class(predictions, labels)
    return {
        "out_mean_per_class": percent / 100,
        "out_ssl_transfer_percent": percent,
        "out_torchmetrics_macro": percent / 100,
        "out_top1": np.mean(predictions == labels),
    }


STEMS = {"prototype": prototype, "mean_per_class": per_class}
