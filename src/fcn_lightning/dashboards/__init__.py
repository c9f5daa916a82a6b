"""Weights & Biases as code: a workspace for a project, and a report for each table."""
