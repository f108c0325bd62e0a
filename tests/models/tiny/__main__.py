"""Makes every tiny model: `python -m tests.models.tiny FOLDER`."""

import sys
from pathlib import Path

from tests.models.tiny import families, make

for model in families():
    print(make(model, Path(sys.argv[1])))
