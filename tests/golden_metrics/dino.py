"""Group `dino`: weighted k-NN. The rest of the group is not covered yet."""

import numpy as np
from golden_metric import MetricCase, Within

from contrastive_jax.evaluate import knn


def weighted_knn(case: MetricCase):
    case.expect(
        params="k T num_classes top5_tie_ambiguous",
        arrays="in_(train|test)_(features|labels) out_(top1|top5|pred)",
    )
    train, test = case.array("in_train_features"), case.array("in_test_features")
    labels, truth = case.array("in_train_labels"), case.array("in_test_labels")
    settings = dict(classes=case.param("num_classes"), ks=tuple(case.param("k")), tau=case.number("T"))
    by_k = knn.accuracy({"exit": train}, labels, {"exit": test}, truth, **settings)["exit"]
    top1, top5 = np.transpose([by_k[k] for k in settings["ks"]])
    # Fewer than five classes among the neighbours: which classes of score zero fill up is not defined.
    slack = 100 * np.asarray(case.param("top5_tie_ambiguous")) / len(truth)
    return {
        "out_top1": top1,
        "out_top5": Within(top5, slack),
        "out_pred": knn.predict(train, labels, test, **settings)[..., 0],
    }


STEMS = {"knn": weighted_knn}
