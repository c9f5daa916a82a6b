"""A check that Weights & Biases can be reached with an account."""

from __future__ import annotations


def check_account(purpose: str, otherwise: str) -> None:
    """Refuse what needs W&B online, where it is not.

    Args:
        purpose: What needs it, as the begin of a sentence.
        otherwise: What to do without it.

    Raises:
        ValueError: The message says what is missing.
    """
    import wandb  # takes a second, and only what needs it pays

    mode = wandb.setup().settings.mode
    if mode != "online":
        raise ValueError(f"{purpose}, but W&B is {mode}. {otherwise}, or unset WANDB_MODE.")
    try:
        if wandb.login(prompt=False):
            return
    except wandb.errors.Error as error:
        raise ValueError(f"{purpose}, but W&B cannot be reached: {one_line(error)}") from error
    raise ValueError(
        f"{purpose}, but W&B has no account here. {otherwise}, or log in with `wandb login`."
    )


def one_line(error: BaseException) -> str:
    """Return the first line of an error's message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
