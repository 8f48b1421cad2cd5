"""Draw the pictures of the documentation, docs/figures/NAME.svg, from docs/results/pictures.toml and figures.toml.

python -m tools.pictures
"""

from tools.pictures.drawn import FOLDER, drawn

for name, picture in drawn().items():
    (FOLDER / f"{name}.svg").write_text(picture, encoding="utf-8", newline="\n")
