import pytest
import wandb

from fcn_lightning.wandb_account import check_account


@pytest.mark.parametrize(
    ("mode", "answer", "sentence"),
    [
        ("offline", True, "It saves, but W&B is offline. Stay here, or unset WANDB_MODE."),
        (
            "online", False,
            "It saves, but W&B has no account here. Stay here, or log in with `wandb login`.",
        ),
        (
            "online", wandb.errors.AuthenticationError("no route\nand more"),
            "It saves, but W&B cannot be reached: no route",
        ),
    ],
)  # fmt: skip
def test_what_is_missing_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, mode: str, answer: object, sentence: str
):
    def login(prompt: bool) -> object:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(wandb.setup().settings, "mode", mode)
    monkeypatch.setattr(wandb, "login", login)
    with pytest.raises(ValueError) as raised:  # noqa: PT011  the whole message is compared
        check_account("It saves", otherwise="Stay here")
    assert str(raised.value) == sentence
