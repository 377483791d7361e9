"""Builds the site: `make docs`."""

import runpy
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

project = "kerastricks"
author = "the kerastricks authors"
project_copyright = author
version = release = runpy.run_path(HERE.parent / "kerastricks" / "_version.py")["__version__"]

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "myst_nb",
    "sphinx_copybutton",
    # In _ext.
    "docstrings",
    "links",
    "mathml",
    "names",
    "reference",
    "repository",
]
exclude_patterns = ["_ext", "**/.ipynb_checkpoints"]
nitpicky = True
# What other packages document is not looked up: building needs no network.
nitpick_ignore_regex = [(r"py:.*", r"(?!kerastricks\.).*")]
highlight_language = "none"

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 4
# Notebooks come with their outputs, from `make notebooks`.
nb_execution_mode = "off"
nb_merge_streams = True

autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_class_signature = "mixed"
autodoc_inherit_docstrings = False
autodoc_preserve_defaults = True
napoleon_custom_sections = [("Attributes", "params_style"), ("Call arguments", "params_style")]
napoleon_use_rtype = False

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = "kerastricks"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_logo = "_static/logo.svg"
html_favicon = "_static/logo.svg"
html_math_renderer = "mathml"
html_copy_source = False
html_show_sourcelink = False
pygments_dark_style = "github-dark"
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b7a75", "color-brand-content": "#0b6b8a"},
    "dark_css_variables": {"color-brand-primary": "#4fc4bc", "color-brand-content": "#6cc3e6"},
}
