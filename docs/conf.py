"""Sphinx's settings: sphinx-build docs docs/_build. The pages of functions come from _ext/function_pages."""

import sys
from pathlib import Path

import actloss_c  # as installed: nothing here puts the sources of the checkout on the path

sys.path.append(str(Path(__file__).resolve().parent / "_ext"))

project = "actloss_c"
author = "The actloss_c developers"
version = release = actloss_c.__version__
extensions = ["myst_parser", "function_pages"]
exclude_patterns = ["_build", "_ext"]

myst_enable_extensions = ["fieldlist"]
myst_heading_anchors = 3  # README.md links to headings
smartquotes_action = "D"  # dashes only: quotes are code here
add_module_names = False
toc_object_entries_show_parents = "hide"
nitpick_ignore_regex = [("py:exc", r"\w+Error")]  # Python's own

html_theme = "furo"
html_title = f"actloss_c {release}"
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_show_copyright = False
