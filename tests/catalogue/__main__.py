"""`python -m catalogue`: the page of wrong input."""

import sys

from catalogue.page import page

sys.stdout.write(page())
