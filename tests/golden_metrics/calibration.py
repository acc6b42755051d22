"""Group `calibration`: `out_tm_l1_15` has 15 bins; l1, l2 and max are ways to average the bins' gaps."""

import re

from golden_metric import MetricCase, NotCovered

from contrastive_jax.evaluate.calibration import Reliability, reliability

ERRORS = {
    "tm_l1": Reliability.expected_error,
    "gpleiss": Reliability.expected_error,
    "tm_l2": Reliability.root_mean_square_error,
    "tm_max": Reliability.maximum_error,
    "ece": Reliability.expected_error,
}


def errors(case: MetricCase):
    case.expect(params="n_bins", arrays="in_(logits|labels) out_.*")
    logits, labels = case.array("in_logits"), case.array("in_labels")

    def answer(name):
        found = re.fullmatch(r"(\w+)_(\d+)", name)
        if found is None or found[1] not in ERRORS or int(found[2]) not in case.param("n_bins"):
            raise NotCovered(f"the quantity '{name}'")
        return ERRORS[found[1]](reliability(logits, labels, bins=int(found[2])))

    return {f"out_{name}": answer(name) for name in case.named("out_")}


STEMS = {"ece": errors}
