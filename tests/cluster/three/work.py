"""The script of the three rules: it does what the item's name says and reports where it ran."""

import json
import os
import sys
import time
from pathlib import Path

job = globals()["snakemake"]
item, rule, attempt = job.wildcards.item, job.rule, job.resources.attempt
output = Path(job.output[0])
ARRAY, TASK = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
JOB = f"{ARRAY}_{TASK}" if ARRAY else os.environ["SLURM_JOB_ID"]  # as squeue calls it
diary = Path(f"diary/{rule}-{item}-{JOB}.json")
diary.parent.mkdir(exist_ok=True)
START = time.time()


def tell(end=None):
    """Record who writes this output, and from when to when."""
    who = {"job": JOB, "pid": os.getpid(), "attempt": attempt}
    diary.write_text(json.dumps({"output": str(output), **who, "start": START, "end": end}))


def wait_for(*names):
    """Wait until all files exist, for at most five minutes."""
    while not all(Path(name).exists() for name in names):
        if time.time() > START + 300:
            raise TimeoutError(f"{names} do not come")
        time.sleep(0.2)


tell()
print(f"{rule} {item}, attempt {attempt}", flush=True)
if item == "broken":
    Path(job.log[0]).write_text("this item is broken\n")
    sys.exit(1)
if item == "large":
    block = bytearray(600 * 2**20)  # beside what Snakemake takes: more than the 600 MB it asked for
    time.sleep(10)
if item.startswith(("slow", "cancelled")) and attempt == 1:
    time.sleep(600)
if item.startswith("together") and rule == "infer":  # the four wait for each other
    Path(f"diary/{item}.here").touch()
    wait_for(*[f"diary/together{n}.here" for n in range(4)])
if item.startswith("gate"):  # until the test opens it
    wait_for("open")
names = ("CUDA_VISIBLE_DEVICES", "SLURMD_NODENAME", "SLURM_JOB_PARTITION")
place = {name: os.environ.get(name) for name in names}
output.write_text(json.dumps({"job": JOB, "array": JOB.partition("_")[0], **place}))
tell(end=time.time())
