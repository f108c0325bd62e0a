"""A real SLURM on this machine, for the tests: munge, slurmctld and two slurmd, from Debian.

The nodes n1 and n2 are simulated: 8 cores, 16 GB and two GPUs each, whatever the machine has. The
GPUs are device nodes that nothing reads; SLURM allocates them as if they were real. All files are
in one folder except the two that SLURM's clients expect under /etc/slurm, which are links into it;
an existing SLURM configuration there is never touched.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

ETC = Path("/etc/slurm")
FILES = ("slurm.conf", "gres.conf")
PACKAGES = ("munge", "slurmctld", "slurmd", "slurm-client")
NODES = ("n1", "n2")
CORES, MEMORY_MB, GPUS = 8, 16000, 2  # of each node
DAEMONS = ("slurmd", "slurmctld", "munged")
NO_SERVICES = Path("/usr/sbin/policy-rc.d")  # asked whether a new package may start services
PREFIX = "slurm-of-tests-"  # of the names of our folders
CLUSTER = "speechroletests"
NVIDIA = 195  # the major number of their devices

SLURM_CONF = """\
ClusterName={cluster}
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
MinJobAge=300
KillWait=2
SchedulerParameters=sched_interval=1,bf_interval=1
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
GresTypes=gpu
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} {size}
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} {size}
PartitionName=cpu Nodes=ALL Default=YES MaxTime=INFINITE
PartitionName=gpu Nodes=ALL MaxTime=INFINITE
"""


class Slurm:
    """A SLURM with its files in `folder`: `start` it, and always `stop` it."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.daemons: list[subprocess.Popen] = []

    def start(self) -> None:
        """Install what is missing, clean up after a killed run, start all and wait for the
        nodes."""
        install()
        end_leftovers()
        self._write()
        secure = self.folder / "munge"
        command = ["runuser", "-u", "munge", "--", "munged", "--force", "--foreground"]
        for option, name in (
            ("key-file", "key"),
            ("socket", "socket"),
            ("pid-file", "munged.pid"),
            ("log-file", "log"),
            ("seed-file", "seed"),
        ):
            command.append(f"--{option}={secure / name}")
        self._daemon(*command)
        until((secure / "socket").exists, 30, "munged does not start")
        conf = str(self.folder / "slurm.conf")
        self._daemon("slurmctld", "-D", "-c", "-f", conf)
        for node in NODES:
            self._daemon("slurmd", "-D", "-N", node, "-f", conf)
        until(self._all_idle, 60, "the nodes are not ready")

    def stop(self) -> None:
        """End the jobs, then the daemons, and remove the links."""
        try:
            if self.daemons and all(daemon.poll() is None for daemon in self.daemons):
                client("scancel", "--user=root")
                until(lambda: not queue(), 60, "jobs do not end")
        finally:
            for name in FILES:
                if ours(ETC / name):
                    (ETC / name).unlink()
            end_daemons(self.folder)
            for daemon in self.daemons:
                daemon.terminate()
                daemon.wait(20)
            for pid in in_jobs():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _daemon(self, *command: str) -> None:
        """Start a daemon as a child of this process, so that it does not outlive it."""
        with (self.folder / "daemons.log").open("ab") as file:
            self.daemons.append(subprocess.Popen(command, stdout=file, stderr=file))

    def _write(self) -> None:
        """The configuration, the devices and munge's key."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o755)  # munged refuses sockets that not everybody can reach
        (self.folder / "state").mkdir()
        size = f"CPUs={CORES} RealMemory={MEMORY_MB} Gres=gpu:{GPUS}"
        host = socket.gethostname().split(".")[0]
        (self.folder / "slurm.conf").write_text(
            SLURM_CONF.format(
                cluster=CLUSTER, host=host, folder=self.folder, ports=free_ports(3), size=size
            )
        )
        lines = []
        for node in NODES:
            devices = self.folder / "devices" / node
            devices.mkdir(parents=True)
            for number in range(GPUS):
                os.mknod(devices / f"nvidia{number}", 0o020600, os.makedev(NVIDIA, number))
            lines.append(f"NodeName={node} Name=gpu File={devices}/nvidia[0-{GPUS - 1}]\n")
        (self.folder / "gres.conf").write_text("".join(lines))
        ETC.mkdir(exist_ok=True)
        for name in FILES:
            (ETC / name).symlink_to(self.folder / name)
        secure = self.folder / "munge"
        secure.mkdir(mode=0o711)
        (secure / "key").write_bytes(os.urandom(128))
        (secure / "key").chmod(0o400)
        shutil.chown(secure / "key", "munge", "munge")
        shutil.chown(secure, "munge", "munge")
        secure.chmod(0o711)

    def _all_idle(self) -> bool:
        """Whether slurmctld answers and all nodes can take jobs."""
        command = ["sinfo", "--noheader", "--Node", "--partition=cpu", "--format=%T"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
        return done.stdout == "idle\n" * len(NODES)


def install() -> None:
    """Install Debian's packages if a program is missing, without starting their services."""
    if os.geteuid() != 0:
        raise PermissionError(
            "the cluster tests install and start SLURM, which only root may: run them as root, "
            "in a container for instance."
        )
    if all(shutil.which(name) for name in ("munged", "slurmctld", "slurmd", "sbatch", "srun")):
        return
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    own = not NO_SERVICES.exists()
    if own:
        NO_SERVICES.write_text("#!/bin/sh\nexit 101\n")
        NO_SERVICES.chmod(0o755)
    try:
        run("apt-get", "update", "-q", env=quiet, limit=300)
        run(
            *("apt-get", "install", "-y", "-q", "--no-install-recommends", *PACKAGES),
            env=quiet,
            limit=300,
        )
    finally:
        if own:
            NO_SERVICES.unlink()


def end_leftovers() -> None:
    """End the SLURM left by a killed run of these tests, and refuse to replace any other."""
    for name in FILES:
        path = ETC / name
        if ours(path):
            end_daemons(path.readlink().parent)
            path.unlink()
        elif path.exists():
            raise FileExistsError(
                f"{path} exists: SLURM is configured on this machine, and the tests bring up "
                "one of their own. Run them in a container."
            )


def ours(path: Path) -> bool:
    """Whether a file under /etc/slurm is a link into a folder of these tests."""
    return path.is_symlink() and path.readlink().parent.name.startswith(PREFIX)


def end_daemons(folder: Path) -> None:
    """End the daemons with pid files in a folder, slurmd first, and wait until they are gone.

    A pid counts as a daemon's only while a process of that name has it.
    """
    files = [*folder.glob("slurmd-*.pid"), folder / "slurmctld.pid", folder / "munge/munged.pid"]
    for file in files:
        if not file.exists():
            continue
        pid = int(file.read_text())
        if name_of(pid) in DAEMONS:
            os.kill(pid, signal.SIGTERM)
            try:
                until(lambda pid=pid: name_of(pid) not in DAEMONS, 20, "")
            except TimeoutError:
                os.kill(pid, signal.SIGKILL)
        file.unlink(missing_ok=True)


def name_of(pid: int) -> str:
    """The name of a process; "" if it does not exist or is a zombie."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    name, _, rest = words.partition("(")[2].rpartition(")")
    return "" if rest.split()[0] == "Z" else name


def in_jobs() -> list[int]:
    """The processes of our cluster's jobs, including those that SLURM has lost track of."""
    mark = f"SLURM_CLUSTER_NAME={CLUSTER}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue  # it ended meanwhile, or is not ours to look at
    return found


def queue(name: str | None = None) -> dict[str, tuple[str, str, str]]:
    """Unfinished jobs: (state, name of the run, comment) by SLURM's id."""
    chosen = [f"--name={name}"] if name else []
    listed = client("squeue", "--noheader", "--array", "--format=%i|%T|%j|%k", *chosen)
    rows = [line.split("|") for line in listed.splitlines()]
    return {job: (state, run_id, comment) for job, state, run_id, comment in rows}


def client(*command: str) -> str:
    """The output of a SLURM client; no answer within 20 s is an error."""
    return run(*command, limit=20)


def run(*command: str, env: dict[str, str] | None = None, limit: float = 60) -> str:
    """The output of a command; an error with all of it if the command fails."""
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=limit)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


def until(true, seconds: float, otherwise: str) -> None:
    """Wait until `true()`, polling five times a second; TimeoutError after `seconds`."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"after {seconds:.0f} s: {otherwise}")
        time.sleep(0.2)


def free_ports(count: int) -> list[int]:
    """Free ports of this machine."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


if __name__ == "__main__":
    install()  # beside other installations; the tests call it too
