"""Whether a backend's class has what the contract of its capability asks for, without importing it.

Imported by the Snakefile: light imports only.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

Classes = dict[str, ast.ClassDef]


def lacks(backend: ast.Module, contract: ast.Module) -> tuple[str, int, list[str]] | None:
    """The name and line of the class that a backend's `load` makes, and which members it lacks of
    the first Protocol in the `contract`; None if it lacks none, or if that cannot be told because
    the class is not of this file or has parents or members that are made elsewhere."""
    protocols = classes_of(contract)
    wanted = next(own for own in protocols.values() if "Protocol" in map(ast.unparse, own.bases))
    classes = classes_of(backend)
    load = next(
        node for node in backend.body if isinstance(node, ast.FunctionDef) and node.name == "load"
    )
    made = {
        node.value.func.id
        for node in ast.walk(load)
        if isinstance(node, ast.Return)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
    }
    if len(made) != 1 or not made <= set(classes):
        return None
    found = classes[made.pop()]
    family = list(parents(found, classes))
    foreign = {ast.unparse(base) for one in family for base in one.bases} - {*classes, *protocols}
    members = {name for one in family for name in members_of(one)}
    missing = [name for name in members_of(wanted) if name not in members]
    if foreign or "__getattr__" in members or not missing:
        return None
    return found.name, found.lineno, missing


def classes_of(module: ast.Module) -> Classes:
    """The classes of a file, by name."""
    return {node.name: node for node in module.body if isinstance(node, ast.ClassDef)}


def parents(one: ast.ClassDef, classes: Classes) -> Iterator[ast.ClassDef]:
    """A class and those of the file that it inherits from."""
    yield one
    for base in map(ast.unparse, one.bases):
        if base in classes:
            yield from parents(classes[base], classes)


def members_of(one: ast.ClassDef) -> list[str]:
    """The methods and attributes of a class, and those that its methods set."""
    found = [node.name for node in one.body if isinstance(node, ast.FunctionDef)]
    for node in ast.walk(one):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.append(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            found.append(node.attr)
    return found
