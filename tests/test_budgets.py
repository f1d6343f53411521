"""The budgets that keep the code readable: files, functions, parameters, results, fields, names."""

import ast
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "frazil"
PACKAGE_FILES = sorted(SOURCE.rglob("*.py"))
ALL_FILES = sorted(
    [*PACKAGE_FILES, *(f for d in ("tests", "benchmarks", "examples") for f in (ROOT / d).rglob("*.py"))]
)

LINES_OF_A_FILE = 300
LINES_OF_A_FUNCTION = 50
LINES_OF_AN_UPDATE = 40
MEDIAN_LINES_OF_A_FUNCTION = 12
PARAMETERS = 6
RESULTS_IN_A_TUPLE = 2
FIELDS_OF_A_CONFIG = 20
LINES_OF_TRAINING = 500
LINES_OF_CLI = 250
NAMELESS = {"utils", "util", "common", "core", "helpers", "misc"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def lines(path: Path) -> int:
    return len(path.read_text().splitlines())


def functions(path: Path) -> Iterator[Function]:
    """The functions of a file, inner ones too."""
    return (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, Function))


def length(function: Function) -> int:
    """Lines from the `def` to the end, without decorators."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def parameters(function: Function) -> list[str]:
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return [argument.arg for argument in every if argument and argument.arg not in ("self", "cls")]


def is_test(function: Function) -> bool:
    """pytest's tests take as many fixtures as they need."""
    return function.name.startswith("test_")


def returned(function: Function) -> Iterator[ast.expr]:
    """The expressions that a function itself returns or yields, not those of functions inside it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, Function | ast.ClassDef | ast.Lambda):
            continue
        if isinstance(node, ast.Return | ast.Yield) and node.value:
            yield node.value
        waiting.extend(ast.iter_child_nodes(node))


def tuple_length(node: ast.expr | None) -> int:
    """The entries of a tuple that is written out, as a value or in an annotation; 0 for anything else."""
    if isinstance(node, ast.Tuple):
        return len(node.elts)
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in ("tuple", "Tuple"):
        entries = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        open_ended = any(isinstance(entry, ast.Constant) and entry.value is Ellipsis for entry in entries)
        return 0 if open_ended else len(entries)
    return 0


def dataclasses(path: Path) -> Iterator[ast.ClassDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ClassDef) and any("dataclass" in ast.unparse(mark) for mark in node.decorator_list):
            yield node


@pytest.mark.parametrize("path", ALL_FILES, ids=name_of)
def test_a_file_keeps_its_budgets(path):
    broken = []
    if lines(path) > LINES_OF_A_FILE:
        broken.append(f"{lines(path)} lines, {LINES_OF_A_FILE} at most")
    for function in functions(path):
        where = f"line {function.lineno}, {function.name}"
        if length(function) > LINES_OF_A_FUNCTION:
            broken.append(f"{where}: {length(function)} lines, {LINES_OF_A_FUNCTION} at most")
        if len(parameters(function)) > PARAMETERS and not is_test(function):
            broken.append(f"{where}: {len(parameters(function))} parameters, {PARAMETERS} at most")
        results = max(map(tuple_length, [function.returns, *returned(function)]))
        if results > RESULTS_IN_A_TUPLE:
            broken.append(f"{where}: returns {results} values, {RESULTS_IN_A_TUPLE} at most; make it a dataclass")
    assert not broken, f"{name_of(path)}: " + "; ".join(broken)


@pytest.mark.parametrize("path", PACKAGE_FILES, ids=name_of)
def test_a_dataclass_has_at_most_20_fields(path):
    for node in dataclasses(path):
        fields = sum(isinstance(entry, ast.AnnAssign) for entry in node.body)
        assert fields <= FIELDS_OF_A_CONFIG, f"{name_of(path)}: {node.name} has {fields} fields"


@pytest.mark.parametrize("path", sorted((SOURCE / "methods").rglob("*.py")), ids=name_of)
def test_a_methods_update_and_each_helper_fits_on_a_screen(path):
    for function in functions(path):
        assert length(function) <= LINES_OF_AN_UPDATE, f"{name_of(path)}: {function.name} has {length(function)} lines"


def test_the_middle_function_is_short():
    lengths = [length(function) for path in PACKAGE_FILES for function in functions(path)]
    assert median(lengths) <= MEDIAN_LINES_OF_A_FUNCTION


def test_all_of_training_stays_small():
    assert sum(map(lines, (SOURCE / "training").rglob("*.py"))) <= LINES_OF_TRAINING


def test_the_command_line_only_dispatches():
    assert lines(SOURCE / "cli.py") <= LINES_OF_CLI


@pytest.mark.parametrize("path", PACKAGE_FILES, ids=name_of)
def test_a_module_is_named_for_what_it_is_about(path):
    assert not NAMELESS & {path.stem, *path.relative_to(SOURCE).parts}, "a helper lives with the concept it helps"
