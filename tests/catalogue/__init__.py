"""The catalogue of wrong input: commands, and the one sentence that each gets.

`python -m catalogue`, with `tests` on PYTHONPATH, prints its page, docs/errors.md.
"""
