"""A stand-in for conda and conda-forge, for machines that reach only PyPI.

channel.py builds a local channel of real packages (this Python, pip, ffmpeg); executable.py answers
Snakemake's calls to `conda`, with py-rattler's solver and installer.
"""
