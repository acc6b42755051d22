"""One line per group at the end of a run: how many golden cases passed, failed or are not covered.

Both golden runners call `record` once per case; pytest prints the table after its own summary. A case that
no code of ours computes yet is *not covered*, which is neither a pass nor a failure.
"""

import collections

import pytest

OUTCOMES = ("passed", "failed", "not covered")
RECORDS = pytest.StashKey[list]()


def record(config, group: str, case_id: str, outcome: str, reason: str = "") -> None:
    """Note one case's outcome: `passed`, `failed` or `not covered`; the last needs a reason."""
    if outcome not in OUTCOMES:
        raise ValueError(f"outcome '{outcome}' is not one of {', '.join(OUTCOMES)}.")
    config.stash.setdefault(RECORDS, []).append((group, case_id, outcome, reason))


def pytest_terminal_summary(terminalreporter, config):
    records = config.stash.get(RECORDS, [])
    if not records:
        return
    terminalreporter.section("golden cases")
    for group in sorted({group for group, *_ in records}):
        counts = collections.Counter(outcome for name, _, outcome, _ in records if name == group)
        line = ", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES)
        terminalreporter.write_line(f"{group:18} {line}")
    for group, case_id, outcome, reason in records:
        if outcome != "passed":
            terminalreporter.write_line(f"  {outcome}: {group}: {case_id}: {reason}")
