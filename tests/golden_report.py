"""One line per group at the end of a run: how many golden cases passed, failed or are not covered.

Both golden runners call `record` once per case; pytest prints the table after its own summary, also where the tests
ran in several processes. A case that no code of ours computes yet is *not covered*: neither a pass nor a failure.
"""

import collections
import contextlib

import pytest

OUTCOMES = ("passed", "failed", "not covered")
PROPERTY = "golden"


class NotCovered(Exception):
    """The case asks for something no code of ours computes; the message says what."""


@contextlib.contextmanager
def recorded(item, group: str, case_id: str):
    """Notes what its block does to the case: it passes, fails, or raises NotCovered, which becomes a skip."""
    try:
        yield
    except NotCovered as gap:
        record(item, group, case_id, "not covered", str(gap))
        pytest.skip(f"{case_id} is not covered: {gap}")
    except BaseException as error:
        record(item, group, case_id, "failed", str(error).partition("\n")[0])
        raise
    record(item, group, case_id, "passed")


def record(item, group: str, case_id: str, outcome: str, reason: str = "") -> None:
    """Note the outcome of the case that the test `item` runs: one of `OUTCOMES`; the last needs a reason."""
    if outcome not in OUTCOMES:
        raise ValueError(f"outcome '{outcome}' is not one of {', '.join(OUTCOMES)}.")
    item.user_properties.append((PROPERTY, [group, case_id, outcome, reason]))


def pytest_terminal_summary(terminalreporter):
    reports = [report for found in terminalreporter.stats.values() for report in found]
    records = [
        value
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, value in report.user_properties
        if name == PROPERTY
    ]
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
