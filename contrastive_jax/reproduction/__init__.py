"""Published numbers beside ours: the tables in `reproduction/`, the runs that fill them, and a budget for such a run."""
