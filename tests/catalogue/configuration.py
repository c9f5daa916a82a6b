"""Configuration: keys, values and choices of `fcn-train`."""

from catalogue.case import Case
from catalogue.prepared import data, text

TITLE = "Configuration"

CASES = [
    Case(
        "a misspelt key",
        "fcn-train experiment=shapes recipe.lrr=1",
        "Unknown key `recipe.lrr`. Did you mean `recipe.lr`?",
    ),
    Case(
        "a key of another framework",
        "fcn-train experiment=shapes data.batch_size=4",
        (
            "Unknown key `data.batch_size`. Use `recipe.batch`, the images of one step over all "
            "processes."
        ),
    ),
    Case(
        "a node of another framework",
        "fcn-train experiment=shapes model.lr=1",
        "Unknown key `model`. Use `backbone` and `head`.",
    ),
    Case(
        "the same, added",
        "fcn-train experiment=shapes +model.lr=1",
        "Unknown key `model.lr`. Use `recipe.lr`.",
    ),
    Case(
        "a key of another framework, added to a node of ours",
        "fcn-train experiment=shapes +recipe.learning_rate=1",
        "Unknown key `recipe.learning_rate`. Use `recipe.lr`.",
    ),
    Case(
        "the images of a validation's batch",
        "fcn-train experiment=shapes +data.val_batch_size=4",
        (
            "Unknown key `data.val_batch_size`. Use `val_batch`, the images that are scored at a "
            "time, by each process."
        ),
    ),
    Case(
        "a key at the top",
        "fcn-train experiment=shapes learning_rate=1",
        "Unknown key `learning_rate`. Use `recipe.lr`.",
    ),
    Case(
        "epochs",
        "fcn-train experiment=shapes trainer.max_epochs=1",
        (
            "`trainer.max_epochs` is -1 in every run; got 1. Training is counted in steps: set "
            "`recipe.max_steps`."
        ),
    ),
    Case(
        "a key of Hydra's",
        "fcn-train experiment=shapes hydra.run.dir=x",
        (
            "`hydra.run.dir` cannot be set: a run's folder follows from its configuration; set "
            "paths.runs=DIR."
        ),
    ),
    Case(
        "another working directory",
        "fcn-train experiment=shapes hydra.job.chdir=true",
        (
            "`hydra.job.chdir` cannot be set: paths are relative to the folder where the command "
            "is given."
        ),
    ),
    Case(
        "a bracket that is not closed",
        "fcn-train experiment=shapes 'recipe.fixed=[a'",
        (
            "Cannot parse the override `recipe.fixed=[a`. Quote a value with special characters, "
            "for the shell too: \"recipe.fixed='[a'\""
        ),
    ),
    Case(
        "no equals sign",
        "fcn-train shapes",
        "`shapes` is not an override. Write key=VALUE; --help lists the options.",
    ),
    Case(
        "a group without a choice",
        "fcn-train experiment=shapes debug=true",
        (
            "`debug=true` is not a choice of a group. Name a file of the group, or leave it out. "
            "Full tracebacks are traceback=true."
        ),
    ),
    Case(
        "a misspelt choice",
        "fcn-train experiment=shapes hparams_search=optunna",
        "Unknown choice `hparams_search=optunna`. Choose from optuna. Did you mean `optuna`?",
    ),
    Case(
        "an unknown head",
        "fcn-train experiment=shapes head=fcn64s",
        (
            "Unknown choice `head=fcn64s`. Choose from classifier, fcn16s, fcn32s, fcn32s_fixed, "
            "fcn32s_low_rate, fcn4s, fcn8s, fcn8s_at_once, pool3, pool4, pool5. Did you mean "
            "`fcn4s`?"
        ),
    ),
    Case(
        "a word for a number",
        "fcn-train experiment=shapes recipe.lr=fast",
        (
            "`recipe.lr`: Input should be a valid number, unable to parse string as a number; got "
            "'fast'."
        ),
    ),
    Case(
        "a precision of no kind",
        "fcn-train experiment=shapes trainer.precision=8",
        (
            "`trainer.precision` must be one of 32-true, bf16-mixed, 16-mixed, bf16-true, "
            "16-true, 64-true, transformer-engine, transformer-engine-float16, 32, 16, bf16, 64; "
            "got 8."
        ),
        files=data,
    ),
    Case(
        "no GPU",
        "fcn-train experiment=shapes trainer=gpu",
        "`trainer` asks for a GPU; torch sees none. Use trainer=cpu.",
    ),
    Case(
        "TF32 on a CPU",
        "fcn-train experiment=shapes trainer=cpu matmul_precision=high",
        "matmul_precision=high is TF32, which only GPUs have. Set `matmul_precision` to highest.",
    ),
    Case(
        "a classifier whose maps are computed again",
        (
            "fcn-train experiment=shapes_classifier head=classifier trainer=cpu "
            "activation_checkpointing=true"
        ),
        "head=classifier has no activation_checkpointing. Set it to false.",
    ),
    Case(
        "a backbone of timm whose maps are computed again",
        (
            "fcn-train experiment=shapes trainer=cpu init_from=null backbone=timm "
            "backbone.model=resnet18 activation_checkpointing=true"
        ),
        (
            "TimmBackbone cannot compute its maps again. Set `activation_checkpointing` to false, "
            "or override its method `checkpoint_activations`."
        ),
    ),
    Case(
        "a batch that the processes do not divide",
        "fcn-train experiment=shapes trainer=ddp_cpu recipe.batch=3",
        (
            "`recipe.batch` (3) must be divisible by the number of processes (2). Use a multiple "
            "of 2, or a number of processes that divides the batch (1 or 3)."
        ),
        files=data,
    ),
    Case(
        "fewer images to score than processes",
        "fcn-train experiment=shapes trainer=ddp_cpu trainer.devices=4 recipe.batch=4",
        (
            "voc/val has 3 images to score, fewer than the 4 processes. Use fewer processes with "
            "trainer.devices."
        ),
        files=data,
    ),
    Case(
        "a folder of configs that is not there",
        "fcn-train --config-dir mine experiment=shapes",
        "Additional config directory '{here}/mine' not found",
    ),
    Case(
        "a broken config",
        "fcn-train --config-dir mine experiment=mine",
        (
            "{here}/mine/experiment/mine.yaml is not YAML: did not find expected node content, "
            "line 2."
        ),
        files=text("mine/experiment/mine.yaml", "recipe: [\n"),
    ),
    Case(
        "a sweep with one run twice",
        "fcn-train -m experiment=shapes seed=0,0",
        "Two jobs of the sweep are the same run: {run}.",
        files=data,
    ),
]
