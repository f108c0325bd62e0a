"""The project's shape: one name everywhere, imports in one direction, consistent docs."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from scripts.workflow import code_digest, specs, stage_costs
from scripts.workflow.model_spec import ModelSpec
from scripts.workflow.stage import ABOUT

ROOT = Path(__file__).resolve().parents[1]
PHASES = ["corpus", "roles", "dialogues", "benchmark", "systems", "judging", "duplex", "paper"]
PYTHON = sorted(
    path for folder in ("scripts", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py")
)
SECTION = re.compile(r"^    (\w+):", re.MULTILINE)
NAMED = re.compile(r"^        (\w+)=", re.MULTILINE)
BINDING = ("input", "output", "params")


def rules() -> dict[str, tuple[str, dict[str, list[str]], str]]:
    """rule -> (phase, {section: its names}, text) of every rule that runs a stage."""
    found = {}
    for file in sorted(ROOT.glob("rules/*.smk")):
        text = file.read_text("utf-8")
        for block in re.split(r"^(?=rule )", text, flags=re.MULTILINE)[1:]:
            name = re.match(r"rule (\w+):", block).group(1)
            parts = SECTION.split(block)[1:]
            sections = dict(zip(parts[::2], parts[1::2], strict=True))
            phase = re.search(r"scripts/(\w+)/", sections.get("script", ""))
            if phase and phase[1] in PHASES:
                names = {key: NAMED.findall(body) for key, body in sections.items()}
                found[name] = (phase[1], names, block)
    return found


RULES = rules()


def function_of(path: Path, name: str) -> ast.FunctionDef:
    tree = ast.parse(path.read_text("utf-8"))
    return next(n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name)


def test_every_rule_begins_its_line():
    """The checks of this file see no others; a rule that a route lacks is never asked for."""
    wrong = [
        path.name
        for path in ROOT.glob("rules/*.smk")
        if re.search(r"^[ \t]+(use )?rule \w+.*:$", path.read_text("utf-8"), re.MULTILINE)
    ]
    assert not wrong


def test_there_are_rules_of_every_phase():
    assert {phase for phase, _, _ in RULES.values()} == set(PHASES)


@pytest.mark.parametrize("name", RULES)
def test_rule_is_script_is_function_is_log_is_test(name):
    phase, sections, block = RULES[name]
    assert f'"../scripts/{phase}/{name}.py"' in block
    assert f'"logs/{name}' in block
    assert (ROOT / f"tests/{phase}/test_{name}.py").is_file()
    function = function_of(ROOT / f"scripts/{phase}/{name}.py", name)
    assert ast.get_docstring(function)
    arguments = function.args
    have = [a.arg for a in arguments.args + arguments.kwonlyargs]
    given = [key for section in BINDING for key in sections.get(section, []) if key not in ABOUT]
    defaults = len(arguments.defaults) + sum(d is not None for d in arguments.kw_defaults)
    assert set(given) <= set(have) and len(have) - defaults <= len(given)


@pytest.mark.parametrize("name", RULES)
def test_script_has_no_future_import(name):
    """Snakemake puts lines of its own before a script, so such an import would not be first."""
    text = (ROOT / f"scripts/{RULES[name][0]}/{name}.py").read_text("utf-8")
    assert "from __future__" not in text and f"stage.run({name}, globals()" in text


@pytest.mark.parametrize("name", RULES)
def test_rule_block_is_complete(name):
    _, sections, _ = RULES[name]
    wanted = {"input", "output", "log", "benchmark", "params", "conda", "threads", "resources"}
    assert wanted <= set(sections)
    assert "code" in sections["params"] and "**job_resources(" in RULES[name][2]


@pytest.mark.parametrize(
    "name", [name for name in RULES if re.search(r"env_of\((?!\))", RULES[name][2])]
)
def test_a_rule_with_a_model_says_what_it_costs(name):
    """Without an entry a stage would cost nothing, and nobody would see it."""
    entry = stage_costs.COSTS.get(name)
    assert entry and entry.work is not stage_costs.OTHER.work, "scripts/workflow/stage_costs.py"


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.startswith(("scripts.", "benchmarks.", "tests."))}


# Each room imports from itself and from those before it.
ROOMS = ["common", "rows", "services", "workflow", "backends", "media", *PHASES, "setup"]


def room_of(path: Path) -> str:
    return path.relative_to(ROOT / "scripts").parts[0]


def test_imports_point_down():
    """No room knows of one above it, so no circle of rooms is possible."""
    wrong = []
    for path in (ROOT / "scripts").glob("*/**/*.py"):
        below = ROOMS[: ROOMS.index(room_of(path)) + 1]
        for name in imports(path):
            if name.split(".")[0] != "scripts" or name.split(".")[1] not in below:
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong


def test_no_file_imports_itself_by_way_of_others():
    files = {path: set(code_digest.imports(path)) - {path} for path in PYTHON}
    while leaves := {path for path, wanted in files.items() if not wanted & files.keys()}:
        for path in leaves:
            del files[path]
    assert not files, "what is left is a circle, or imports one"


def test_a_backend_is_named_in_one_place_alone():
    """Where a module is imported by a name that is put together, no arrow shows it."""
    wrong = [
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "scripts").rglob("*.py")
        if re.search(r"import_module\(|__import__\(", path.read_text("utf-8"))
        and room_of(path) in ROOMS
    ]
    assert wrong == ["scripts/backends/__init__.py"]


def test_common_is_what_many_rooms_share():
    users: dict[Path, set[str]] = {path: set() for path in (ROOT / "scripts/common").glob("*.py")}
    for path in (ROOT / "scripts").glob("*/**/*.py"):
        for used in code_digest.imports(path):
            if used in users and used != path:
                users[used].add(room_of(path))
    few = {path.name for path, rooms in users.items() if len(rooms) < 3} - {"__init__.py"}
    assert not few
    assert all(len(path.read_text("utf-8").splitlines()) <= 250 for path in users)


def test_what_backends_share_is_theirs():
    """A file whose name begins with an underscore is known to its folder alone."""
    wrong = []
    for path in [*ROOT.glob("scripts/**/*.py"), *ROOT.glob("benchmarks/**/*.py")]:
        for used in code_digest.imports(path):
            if re.match("_[^_]", used.name) and used.parent != path.parent:
                wrong.append(f"{path.relative_to(ROOT)} imports {used.relative_to(ROOT)}")
    assert not wrong


def reached(path: Path) -> set[Path]:
    """The project's files that a file imports, directly or indirectly."""
    queue, seen = [path], set()
    while queue:
        path = queue.pop()
        if path not in seen:
            seen.add(path)
            queue.extend(code_digest.imports(path))
    return seen


@pytest.mark.parametrize("name", [name for name in RULES if RULES[name][0] != "paper"])
def test_a_stage_imports_only_what_every_environment_has(name):
    """Its environment is that of its models; what they need they import when they are loaded."""
    lines = (ROOT / "envs/base.in").read_text("utf-8").splitlines()
    modules = {"pyyaml": "yaml", "json-repair": "json_repair", "imageio-ffmpeg": "imageio_ffmpeg"}
    here = {modules.get(line, line) for line in lines} | set(sys.stdlib_module_names) | {"scripts"}
    found = set()
    for path in reached(ROOT / f"scripts/{RULES[name][0]}/{name}.py"):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ImportFrom):
                found.add(node.module.split(".")[0])
            elif isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
    assert found <= here


def test_the_snakefile_imports_no_science_stack():
    """Every job of a cluster reads all rules before it begins."""
    names = set()
    for file in ROOT.glob("rules/*.smk"):
        for module, some in re.findall(
            r"^from (scripts\S*) import (.+)", file.read_text("utf-8"), re.M
        ):
            names |= {module, *(f"{module}.{name.strip()}" for name in some.split(","))}
    program = f"""import importlib.util, sys
for name in {sorted(names)}:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        assert error.name == name
print(*({{"numpy", "torch", "pandas", "scipy", "soundfile"}} & set(sys.modules)))"""
    found = subprocess.check_output([sys.executable, "-c", program], cwd=ROOT, text=True)
    assert len(names) > 10 and not found.strip()


BACKENDS = [(c, b) for c in specs.capabilities() for b in specs.backends(c)]


@pytest.mark.parametrize("capability, backend", BACKENDS)
def test_backend_says_what_it_is(capability, backend):
    path = ROOT / f"scripts/backends/{capability}/{backend}.py"
    tree = ast.parse(path.read_text("utf-8"))
    assert ast.get_docstring(tree)
    spec = ModelSpec(capability, backend)
    for name in specs.envs(spec):
        assert (ROOT / f"envs/{name}.yaml").is_file()
    assert isinstance(specs.constant(spec, "GPU"), bool)
    function_of(path, "load")


def test_every_backend_is_reachable_from_a_shipped_config():
    used = set()
    for name in ("config", "paper", "personaplex"):
        models = yaml.safe_load((ROOT / f"config/{name}.yaml").read_text("utf-8"))["models"]
        used |= {(model["capability"], model["backend"]) for model in models.values()}
    assert used == set(BACKENDS)


def test_each_environment_lists_its_lock():
    for lock in sorted((ROOT / "envs").glob("*.txt")):
        if lock.stem.startswith(("test", "slurm", "bench", "models")):  # made by pip alone
            continue
        environment = yaml.safe_load(lock.with_suffix(".yaml").read_text("utf-8"))
        pip = next(part["pip"] for part in environment["dependencies"] if isinstance(part, dict))
        lines = [line for line in lock.read_text("utf-8").splitlines() if line[:1] not in ("", "#")]
        assert pip == lines and all("==" in line for line in lines)


@pytest.mark.parametrize(
    "path",
    [*PYTHON, *sorted(ROOT.glob("rules/*.smk"))],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_file_can_be_read_in_one_sitting(path):
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 400
    if path.suffix == ".smk":
        assert text.startswith('"""')
    elif text.strip():
        assert ast.get_docstring(ast.parse(text)), "a file opens with what it is"


def test_nothing_that_was_downloaded_or_kept_is_run():
    """No pickle but by PyTorch's reader of bare tensors, no code that comes with a model."""
    risky = re.compile(
        r"^\s*(import|from) (pickle|dill|joblib|shelve|marshal|diskcache|litellm)\b"
        r"|trust_remote_code=True|allow_pickle=True|weights_only=False"
        r"|yaml\.(unsafe_load|load|full_load)\(",
        re.MULTILINE,
    )
    wrong = []
    for path in (ROOT / "scripts").rglob("*.py"):
        text = path.read_text("utf-8")
        found = [match[0].strip() for match in risky.finditer(text)]
        loads = re.findall(r"torch\.load\([^\n]*", text)
        found += [line for line in loads if "weights_only=True" not in line]
        wrong += [f"{path.relative_to(ROOT)}: {what}" for what in found]
    assert not wrong


def test_no_lock_has_a_package_that_stole_keys():
    for lock in (ROOT / "envs").glob("*"):
        assert not re.search(r"\blitellm\b", lock.read_text("utf-8").lower()), lock


def test_no_machine_paths_and_no_hosts():
    wrong = []
    pattern = re.compile(r"(^|[^\w.-])/(home|Users|work|root|opt|farm)/\w")
    hosts = re.compile(r"https?://(pypi|files\.pythonhosted|registry\.npmjs|deb\.debian)")
    for path in [*PYTHON, *ROOT.glob("rules/*.smk"), *ROOT.glob("config/**/*"), ROOT / "Makefile"]:
        if path.is_file():
            text = path.read_text("utf-8")
            if path != Path(__file__) and (pattern.search(text) or hosts.search(text)):
                wrong.append(str(path.relative_to(ROOT)))
    assert not wrong


def test_every_profile_makes_incomplete_files_again():
    for profile in ("default", "slurm"):
        text = (ROOT / f"profiles/{profile}/config.yaml").read_text("utf-8")
        assert yaml.safe_load(text)["rerun-incomplete"] is True


def test_readme_names_every_target():
    readme = (ROOT / "README.md").read_text("utf-8")
    shown = [name for name, (phase, _, _) in RULES.items() if phase == "paper"]
    missing = [target for target in [*shown, *PHASES] if f"`{target}`" not in readme]
    assert not missing


def test_public_functions_of_shared_rooms_say_what_they_do():
    shared = ("common", "rows", "services", "workflow")
    for path in (path for room in shared for path in (ROOT / f"scripts/{room}").glob("*.py")):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
                assert inspect.cleandoc(ast.get_docstring(node) or ""), f"{path.name}: {node.name}"


def test_the_map_names_every_room_in_order_and_nothing_that_is_not_there():
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8")
    rooms = re.findall(r"^\| scripts/(\w+) \|", text, re.MULTILINE)
    folders = {path.parent.name for path in (ROOT / "scripts").glob("*/__init__.py")}
    assert rooms == ROOMS and {*rooms} == folders
    for page in ("ARCHITECTURE.md", "CONTRIBUTING.md"):
        named = re.findall(
            r"(?<![\w/.-])(?:(?:scripts|rules|config|envs|tests|benchmarks|profiles)/[\w./<>*-]*"
            r"|[A-Z]\w+\.md)",
            (ROOT / page).read_text("utf-8"),
        )
        paths = {name.rstrip(".") for name in named if not {"<", "*"} & {*name}}
        assert paths and not [path for path in sorted(paths) if not (ROOT / path).exists()]
        assert len((ROOT / page).read_text("utf-8").splitlines()) <= 120
