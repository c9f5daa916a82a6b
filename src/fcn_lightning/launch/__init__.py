"""Many runs: one graph of jobs, on this machine or on a SLURM cluster."""


class JobsFailedError(Exception):
    """A job of a sweep failed or was stopped, as the sweep's status has told."""
