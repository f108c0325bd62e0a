"""A backend to begin from for each capability: it passes the acceptance check, without a model.

`python -m scripts.setup.try --new own/dialogue/mine.py` writes one.
"""
