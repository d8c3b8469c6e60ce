"""Documents: checked against what runs, put in force, and the versions they were."""
