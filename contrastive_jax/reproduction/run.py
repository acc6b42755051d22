"""Runs a row of the ledger within a budget: times a few steps, shortens the run, pretrains, judges, records.

`plan.json` in the working directory keeps what was decided, so that the same command resumes the same run.
"""

import datetime
import json
import os
import pathlib
import platform
from collections.abc import Mapping
from typing import Any

from contrastive_jax import linear_eval, main
from contrastive_jax.errors import InputError
from contrastive_jax.experiment import assemble
from contrastive_jax.reproduction import budget as budgets
from contrastive_jax.reproduction import results
from contrastive_jax.reproduction.budget import spoken
from contrastive_jax.reproduction.ledger import CONFIGS, Row, as_flags, checkout, overrides
from contrastive_jax.reproduction.timing import measure
from contrastive_jax.train import schedules
from contrastive_jax.train.run_directory import write_json


def pretraining_config(row: Row, changed: str = "", seed: int = 0) -> dict[str, Any]:
    """The published config of a row, with the user's changes."""
    return main.COMMAND.composed(
        [
            *row.pretraining_flags(str(checkout() / CONFIGS)),
            f"--config.seed={seed}",
            *as_flags(overrides(changed)),
        ]
    )


def evaluation_config(row: Row, run: str) -> dict[str, Any]:
    """The config of the row's evaluation of the run directory `run`, without the controls."""
    return linear_eval.COMMAND.composed(
        [*row.evaluation_flags(run, str(checkout() / CONFIGS)), "--config.controls=False"]
    )


def run_row(
    row: Row,
    folder: pathlib.Path,
    *,
    workdir: str,
    budget: str = "",
    epochs: float = 0,
    seed: int = 0,
    changed: str = "",
) -> dict[str, Any]:
    """Runs a row and returns its entry, which is then in the ledger of `folder`.

    Args:
      workdir: Working directory; `run/` in it becomes the run directory.
      budget: Wall time of everything, as `2h`.
      epochs: Epochs instead of a budget. Without either, the run is as long as the published one.
      changed: Overrides that the published recipe does not have. The entry names them.

    Raises:
      InputError: the row has no command yet, the budget is too small, or whatever pretraining refuses.
    """
    if row.lacks:
        raise InputError(f"this row cannot be run yet: it lacks {row.lacks}.")
    if budget and epochs:
        raise InputError("give --budget or --epochs, not both.")
    if fixed := {"epochs", "seed"} & overrides(changed).keys():
        raise InputError(f"--set cannot change {' and '.join(sorted(fixed))}: --epochs and --seed do.")
    work = pathlib.Path(workdir)
    plan = open_plan(work, row, budget=budget, asked=epochs, seed=seed, changed=changed)
    if plan["recorded"]:
        raise InputError(
            f"{work} is finished and in {folder / results.FILE}: choose another --workdir or --seed."
        )
    published = pretraining_config(row, changed, seed)
    evaluation = evaluation_config(row, str(work / "run"))
    if plan["epochs"] is None:
        whole = affordable_epochs(published, evaluation, budget) if budget else epochs or published["epochs"]
        plan["epochs"] = float(whole)
        work.mkdir(parents=True, exist_ok=True)
        write_json(work / "plan.json", plan)
    config = budgets.shortened(published, plan["epochs"])
    print(plan_in_words(published, config, changed), flush=True)

    main.pretrain(config, workdir=str(work / "run"))
    linear_eval.judge(evaluation)
    entry = entry_of(row, work / "run", evaluation, plan, published["epochs"])
    file = results.append(folder, entry)
    write_json(work / "plan.json", plan | {"recorded": True})
    print(
        f"\n{row.label}: {row.settings.metric} {entry['value']:.2f}; published {row.published}. Added to {file}."
    )
    return entry


def open_plan(work: pathlib.Path, row: Row, **given: Any) -> dict[str, Any]:
    """The recorded plan of a working directory, or a new one without epochs.

    Raises:
      InputError: the directory belongs to something else.
    """
    wanted = {"paper": row.paper, "table": row.table, "row": row.name, **given}
    file = work / "plan.json"
    if not file.exists():
        if work.exists() and any(work.iterdir()):
            raise InputError(f"{work} is not empty and holds no run of the ledger: choose another --workdir.")
        return wanted | {"epochs": None, "recorded": False}
    plan = json.loads(file.read_text())
    for key, value in wanted.items():
        if plan[key] != value:
            raise InputError(
                f"{work} holds another run: {key} is {plan[key]!r} there and {value!r} now; choose another --workdir."
            )
    return plan


def affordable_epochs(published: Mapping[str, Any], evaluation: Mapping[str, Any], budget: str) -> float:
    """Times a few steps, says so, and returns the epochs that the budget buys.

    Raises:
      InputError: too few for the schedule to reach its peak.
    """
    limit = budgets.seconds(budget)
    costs = measure(assemble(published), evaluation)
    print(
        f"timed: a step takes {spoken(costs.step)}, an epoch of {costs.steps_per_epoch} steps {spoken(costs.epoch)},"
        f" the start {spoken(costs.start)}; the evaluation will take about {spoken(costs.evaluation)}.",
        flush=True,
    )
    epochs = budgets.epochs_for(limit, costs, published["epochs"])
    experiment = assemble(budgets.shortened(published, epochs))
    schedule = experiment.learning_rate_schedule(costs.steps_per_epoch)
    total = max(1, round(epochs * costs.steps_per_epoch))
    if epochs < published["epochs"] and schedules.trap(schedule, experiment.peak_learning_rate, total):
        raise InputError(
            f"--budget={budget} buys {epochs:g} of {published['epochs']:g} epochs, in which the published schedule does"
            f" not reach half of its peak: give a larger budget (an epoch takes {spoken(costs.epoch)})."
        )
    return epochs


def plan_in_words(published: Mapping[str, Any], config: Mapping[str, Any], changed: str) -> str:
    """What differs from the published run."""
    but = f", but for {changed}" if changed else ""
    if config["epochs"] == published["epochs"]:
        return f"as published: {published['epochs']:g} epochs{but}."
    schedule, before = config["schedule"], published["schedule"]
    moved = [f"{key} {before[key]} -> {schedule[key]}" for key in before if before[key] != schedule[key]]
    words = f"; the schedule shrinks in proportion ({', '.join(moved)})" if moved else ""
    epochs = f"{config['epochs']:g} of {published['epochs']:g} published epochs"
    return f"SCALED: {epochs}{words}. All else is as published{but}."


def entry_of(
    row: Row,
    run: pathlib.Path,
    evaluation: Mapping[str, Any],
    plan: Mapping[str, Any],
    published_epochs: float,
) -> dict[str, Any]:
    """What the ledger keeps of a run."""
    pretrained = json.loads((run / "summary.json").read_text())
    judged = json.loads((run / evaluation["folder"] / "summary.json").read_text())
    here = json.loads((run / "environment.jsonl").read_text().splitlines()[-1])
    return {
        "date": datetime.date.today().isoformat(),
        "paper": row.paper,
        "table": row.table,
        "row": row.name,
        "metric": row.settings.metric,
        "value": value_of(judged, row.settings.metric),
        "published": row.published,
        "epochs": plan["epochs"],
        "published_epochs": published_epochs,
        "budget": plan["budget"],
        "changed": plan["changed"],
        "seed": plan["seed"],
        "hardware": hardware(here),
        "versions": {"python": here["python"], **here["packages"]},
        "commit": here["git"],
        "seconds": {"pretraining": pretrained["seconds"], "evaluation": judged["seconds"]},
        "top1": judged["top1"],
    }


def value_of(summary: Mapping[str, Any], metric: str) -> float:
    """The published kind of number in the summary of an evaluation: `linear, final`, `top-5, final` (of the linear
    classifier) or `own classifier top-5, final`.

    Raises:
      InputError: the evaluation did not measure it.
    """
    own = summary.get("own_classifier", {}).get("top5", {})
    top5 = {f"top-5, {name}": value for name, value in summary.get("top5", {}).items()}
    measured = (
        summary["top1"] | top5 | {f"own classifier top-5, {name}": value for name, value in own.items()}
    )
    if metric not in measured:
        raise InputError(f"the evaluation measured no '{metric}', only {', '.join(measured)}.")
    return measured[metric]


def hardware(here: Mapping[str, Any]) -> str:
    """`1 x NVIDIA H100`, or the cores and the instruction set of a CPU."""
    if here["backend"] != "cpu":
        return f"{here['devices']} x {here['device']}"
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{cores} CPU cores ({platform.machine()})"
