"""What an analyst runs: scenario files, their runs on one machine or a cluster, results, plots and reports."""
