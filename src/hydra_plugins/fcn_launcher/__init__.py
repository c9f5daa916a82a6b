"""Launchers that give each job of a sweep a process of its own: Hydra finds them here."""
