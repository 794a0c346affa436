"""The lecture's numbers, figures and experiments, computed."""
