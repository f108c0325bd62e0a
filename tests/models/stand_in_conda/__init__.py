"""A stand-in for conda and conda-forge, where only PyPI can be had.

channel.py makes a local channel of real packages (this Python, pip, ffmpeg); executable.py answers
the calls that Snakemake makes to `conda`, with py-rattler's solver and installer.
"""
