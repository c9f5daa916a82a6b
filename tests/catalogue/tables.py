"""Tables, reports and dashboards."""

from catalogue.case import Case
from catalogue.prepared import finished, text

TITLE = "Tables, reports and dashboards"
finish = finished("runs/shapes/fcn8s/seed0")
UNKNOWN_TABLE = (
    "Unknown table 'table7'. Choose from cvpr2015/claims, cvpr2015/figure5, "
    "cvpr2015/table1, cvpr2015/table2, cvpr2015/table3, cvpr2015/table4, cvpr2015/table5, "
    "cvpr2015/table6, pami2016/context, pami2016/masking, pami2016/more_data, "
    "pami2016/nyud, pami2016/optimization, pami2016/siftflow, pami2016/skips, "
    "pami2016/voc_test, upper_bounds."
)

CASES = [
    Case(
        "an unknown table",
        "fcn table show table7",
        UNKNOWN_TABLE,
    ),
    Case(
        "an unknown table, to run",
        "fcn table run table7",
        UNKNOWN_TABLE,
    ),
    Case(
        "data that the table lacks",
        "fcn table show table2 --data x",
        "cvpr2015/table2 has no data set 'x'. Use `--data shapes` or `--data voc`.",
    ),
    Case("no table", "fcn table run", "Name a table, as `fcn table list` does, or use --all."),
    Case(
        "data that no table has",
        "fcn table run --all --data x",
        (
            "No table has a data set 'x'. Choose from networks, nyud, own, pascal_context, "
            "shapes, siftflow, voc."
        ),
    ),
    Case(
        "seeds that are none",
        "fcn table run table2 --seeds 0,a",
        "`--seeds` takes whole numbers, separated by commas; got '0,a'.",
    ),
    Case(
        "an unknown row",
        "fcn table run table2 --rows fcn64s",
        (
            "cvpr2015/table2 on shapes has no row fcn64s of ours. Choose from fcn32s_fixed, "
            "fcn32s, fcn16s, fcn8s."
        ),
    ),
    Case(
        "a table of one's own that is not there",
        "fcn table show mine.yaml",
        "mine.yaml: No such file or directory.",
    ),
    Case(
        "a table of one's own that is no YAML",
        "fcn table show mine.yaml",
        "mine.yaml is not YAML: did not find expected node content, line 2.",
        files=text("mine.yaml", "rows: ["),
    ),
    Case(
        "a table of one's own without rows",
        "fcn table show mine.yaml",
        "mine.yaml is not a table; `source`: Field required.",
        files=text("mine.yaml", "title: Mine\n"),
    ),
    Case(
        "a row without a test server's column",
        "fcn table enter table2 fcn8s x=1 --date 2026-11-28",
        "cvpr2015/table2 has no column of a test server.",
    ),
    Case(
        "an unknown row of a test server",
        "fcn table enter table3 rcnn voc2012_test=62.3 --date 2026-11-28",
        "cvpr2015/table3 has no row 'rcnn' of ours. Choose from fcn8s.",
    ),
    Case(
        "an unknown column",
        "fcn table enter table3 fcn8s mean_iu=62.3 --date 2026-11-28",
        "Unknown column 'mean_iu'. Use voc2011_test or voc2012_test, as COLUMN=PERCENT.",
    ),
    Case(
        "a fraction in place of percent",
        "fcn table enter table3 fcn8s voc2012_test=0.623 --date 2026-11-28",
        "`voc2012_test=0.623` must give percent, as the server prints it: voc2012_test=62.2.",
    ),
    Case(
        "a day that is none",
        "fcn table enter table3 fcn8s voc2012_test=62.3 --date yesterday",
        "`--date` takes a date such as 2026-11-28; got 'yesterday'.",
    ),
    Case(
        "no folder of runs",
        "fcn report",
        "There is no folder runs. Name the folder of runs with --runs DIR.",
    ),
    Case(
        "a page in a folder that is not there",
        "fcn report --runs . --out pages/report.html",
        "The folder of pages/report.html does not exist. Create pages first.",
    ),
    Case(
        "an unknown table in a dashboard",
        "fcn dashboard table7 --entity me --project fcn --dry-run",
        UNKNOWN_TABLE,
    ),
    Case(
        "a key that no run has",
        "fcn dashboard table2 --entity me --project fcn --dry-run -- recipe.lr=3",
        "`recipe.lr=3` is in no run of these tables. Use classifier or normalize.",
    ),
    Case(
        "no W&B project",
        "fcn dashboard --entity me",
        "Missing option '--project'. `fcn dashboard --help` lists the options.",
    ),
]
