"""Launchers that run each job of a sweep in its own process. Hydra finds them here."""
