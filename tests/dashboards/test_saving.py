import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import warm
from dashboards import described
from dashboards.wandb_server import Account, serving

KEY = 40 * "a"


@pytest.fixture
def account() -> Account:
    return Account("me", "fcn")


@pytest.fixture
def address(account: Account) -> Iterator[str]:
    with serving(account) as address:
        yield address


def call(folder: Path, address: str, *arguments: str, project: str = "fcn", key: str = KEY):
    """Calls the command as a user whose home is the folder."""
    environment = {"WANDB_BASE_URL": address, "WANDB_API_KEY": key, "HOME": str(folder)}
    options = ("--entity", "me", "--project", project)
    return warm.run(
        "fcn", "dashboard", *options, *arguments, folder=folder, environment=environment
    )


def test_a_dry_run_prints_everything_and_makes_no_request(
    account: Account, address: str, tmp_path: Path
):
    done = call(tmp_path, address, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert account.log == []
    lines = done.stdout.splitlines()
    assert lines[0] == "Nothing is sent to me/fcn. It would get:"
    reports = [line for line in lines if line.startswith("report ")]
    assert len(reports) == len(list(experiments().rglob("*.yaml")))
    assert (
        "    runs FCN-8s: Config(\"experiment\") == 'shapes' and Config(\"variant\") == 'fcn8s'"
        in lines
    )
    assert done.stderr.startswith("Runs with classifier or data.classes or normalize on their ")


def test_a_call_saves_a_workspace_and_a_report_and_a_second_one_replaces_them(
    account: Account, address: str, tmp_path: Path
):
    done = call(tmp_path, address, "table2", "--", "classifier=vgg16.pth")
    assert done.returncode == 0, done.stderr
    workspace, report = account.saved
    title = "cvpr2015-table2: Skip architectures, from coarse to fine"
    assert [(each["type"], each["displayName"]) for each in account.saved] == [
        ("project-view", "fcn_lightning"),
        ("runs", title),
    ]
    assert {(each["entityName"], each["projectName"]) for each in account.saved} == {("me", "fcn")}
    assert [line.partition("?")[0] for line in done.stdout.splitlines()] == [
        f"Saved: {address}/me/fcn",
        f"Saved: {address}/me/fcn/reports/{title.replace(' ', '-')}--view1",
    ]
    committed = json.loads(Path(__file__).with_name("specifications.json").read_text())
    sections = described.sections(json.loads(workspace["spec"]))
    assert list(sections) == list(committed["workspace"])
    on_voc = described.blocks(json.loads(report["spec"]))[5]
    assert on_voc["FCN-16s"] == {
        "experiment": "voc", "variant": "fcn16s-classifier-vgg16.pth",
        "grouped by": ["variant.value"],
    }  # fmt: skip

    again = call(tmp_path, address, "table2")
    assert again.returncode == 0, again.stderr
    assert [each.get("id") for each in account.saved] == [None, None, "view0", "view1"]
    assert account.saved[2]["name"] == workspace["name"]
    assert len(account.views) == 2
    asked = [name for name, _ in account.log if name != "viewer"]
    assert asked[:5] == ["project", "upsertView", "project", "models", "upsertView"]
    assert (asked[5:], account.unknown) == (asked[:5], [])


@pytest.mark.parametrize(
    ("key", "project", "sentence"),
    [
        (
            "", "fcn",
            "`fcn dashboard` saves to W&B, but W&B has no account here. Use --dry-run, or log in "
            "with `wandb login`.\n",
        ),
        (
            KEY, "other",
            "W&B has no project me/other that this account can see. A run makes it: set "
            "WANDB_ENTITY=me and WANDB_PROJECT=other, and train.\n",
        ),
        (KEY, "fcn", "W&B did not save everything: input: permission denied\n"),
    ],
)  # fmt: skip
def test_what_is_missing_is_one_sentence(
    account: Account, address: str, tmp_path: Path, key: str, project: str, sentence: str
):
    account.refusal = "permission denied"
    done = call(tmp_path, address, "table2", project=project, key=key)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", sentence)
    assert account.views == {}


def experiments() -> Path:
    from fcn_lightning.tables.definitions import experiments_dir

    return experiments_dir()
