"""Why training fails: probes measure a run, checks name what is wrong, remedies are tried."""
