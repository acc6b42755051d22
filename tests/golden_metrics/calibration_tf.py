"""Group `calibration_tf`: the expected calibration error of robustness_metrics, `out_ece_15` with 15 bins."""

from golden_metrics.calibration import errors

STEMS = {"rm_ece": errors}
