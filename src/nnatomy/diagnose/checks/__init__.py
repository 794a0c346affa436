"""Pure functions from the record of a run to findings."""
