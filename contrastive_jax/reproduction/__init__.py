"""Published numbers beside ours: the tables in `reproduction/`, and the runs that fill them within a budget."""
