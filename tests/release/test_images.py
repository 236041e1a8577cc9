"""What the images leave out of their packages is needed by nothing of ours."""

import json
import subprocess
import sys

import pytest

from finetune_dev.paths import REPOSITORY

IMPORT_ALL = """
import importlib, json, pkgutil, re, sys
left_out, packages = json.loads(sys.argv[1])

class LeftOut:
    def find_spec(self, name, path=None, target=None):
        if re.fullmatch(left_out, name):
            raise ModuleNotFoundError(f"the image does not have {name}")

sys.meta_path.insert(0, LeftOut())
count = 0
for package in map(importlib.import_module, packages):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
        count += 1
print(count)
"""
OPERATOR = ["core", "store", "kube", "work", "operator", "client", "ui", "cli", "publish"]


@pytest.mark.parametrize(
    ("dockerfile", "said", "left_out", "packages"),
    [
        ("operator", ("find plotly -mindepth 1", "rm -rf kubernetes/aio"), r"(plotly\.|kubernetes\.aio).*", OPERATOR),
        # jinja2.tests is a file.
        ("trainer_image", ("-type d -name tests",), r"(?!jinja2\.).*\.tests(\..*)?", ["trainer", "report"]),
    ],
)
def test_our_modules_import_without_what_an_image_leaves_out(
    dockerfile: str, said: tuple[str, ...], left_out: str, packages: list[str]
) -> None:
    text = (REPOSITORY / dockerfile / "Dockerfile").read_text()
    assert [words for words in said if words not in text] == []
    names = [f"finetune_{package}" for package in packages]
    command = [sys.executable, "-W", "ignore", "-c", IMPORT_ALL, json.dumps([left_out, names])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20
