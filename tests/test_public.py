import ast
import subprocess
import sys
from pathlib import Path

import pytest

import stance

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "stance").rglob("*.py"))


def imported(source: str) -> set[str]:
    """Give the top-level packages that a source imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0] if not node.level else ".")
    return found


def test_all_is_what_the_package_imports_for_its_users() -> None:
    tree = ast.parse((ROOT / "stance" / "__init__.py").read_text(encoding="utf-8"))
    top = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    names = {a.asname or a.name for node in top if (node.module or "").startswith("stance.") for a in node.names}
    assert sorted(names) == stance.__all__


def test_every_public_name_is_there_and_comes_from_this_package() -> None:
    for name in stance.__all__:
        assert getattr(stance, name).__module__.startswith("stance.")
        assert getattr(stance, name).__name__ == name
        assert getattr(stance, name).__doc__


def test_no_other_class_or_function_is_public() -> None:
    own = {
        name
        for name, value in vars(stance).items()
        if not name.startswith("_") and getattr(value, "__module__", "").startswith("stance")
    }
    assert own - {"Pipeline"} == set(stance.__all__) - {"Pipeline"}


def test_unknown_names_are_attribute_errors() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Pipelines'"):
        stance.Pipelines  # noqa: B018


def test_every_error_is_a_stance_error() -> None:
    for error in (stance.InputError, stance.ConfigError, stance.ModelError):
        assert issubclass(error, stance.StanceError)


def test_importing_stance_pulls_in_no_heavy_package() -> None:
    code = "import sys, stance; print(sorted({'torch', 'transformers', 'sklearn', 'datasets'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_inference_imports_nothing_of_training(path: Path) -> None:
    assert (
        imported(path.read_text(encoding="utf-8")) & {"training", "tests", "sklearn", "datasets", "accelerate"} == set()
    )


def test_the_scan_sees_imports_wherever_they_stand() -> None:
    assert imported("def f():\n    import training.fit\n    from datasets import x\n") == {"training", "datasets"}
    assert len(SOURCES) > 10
