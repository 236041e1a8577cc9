"""Programs built from Go modules, cached by what they are built from.

Most come from the module in `dev/go/kubernetes`, which pins them with all their dependencies: what they share is
compiled once, and that is nearly half of all. Kueue, which few need, is of other versions of the same libraries: its
module is its own. A program appears in the cache only when it is complete: it is built
under another name and renamed.
"""

import hashlib
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from finetune_dev.errors import DevError
from finetune_dev.paths import REPOSITORY, Paths
from finetune_dev.shell import one_at_a_time, run, step

KUBERNETES_MODULE = REPOSITORY / "dev/go/kubernetes"
PAUSE_MODULE = REPOSITORY / "dev/go/pause"
KUEUE_MODULE = REPOSITORY / "dev/go/kueue"
PROMETHEUS_MODULE = REPOSITORY / "dev/go/prometheus"
REGISTRY_MODULE = REPOSITORY / "dev/go/registry"
KUBERAY_PACKAGE = "github.com/ray-project/kuberay/ray-operator"
KUEUE_PACKAGE = "sigs.k8s.io/kueue"
ON_DEMAND = frozenset({"kueue"})
"""Programs that neither `make test` nor `make e2e` needs: nothing builds them beforehand."""
_CONTAINERS = "github.com/google/go-containerregistry"
_PROMETHEUS = "github.com/prometheus/prometheus"
_VERSION_PACKAGE = "k8s.io/component-base/version"


@dataclass(frozen=True)
class Recipe:
    """How one program is built.

    `module` is a folder with the go.mod that pins the package, or holds it; None: build `package@version` by itself.
    """

    name: str
    package: str
    version: str
    module: Path | None = None
    ldflags: str = "-s -w"

    def key(self) -> str:
        """A short hash of everything that decides the program."""
        sources = sorted(path for path in self.module.rglob("*") if path.is_file()) if self.module else []
        text = "\n".join([self.package, self.version, self.ldflags, *(path.read_text() for path in sources)])
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def path(self, paths: Paths) -> Path:
        """Where the built program is or will be."""
        return paths.binaries / f"{self.version}-{self.key()}" / self.name

    def command(self, folder: Path) -> list[str]:
        """The `go` command that puts the program into `folder`."""
        flags = ["-trimpath", "-ldflags", self.ldflags]
        if self.module:
            return ["go", "build", "-mod=readonly", *flags, "-o", str(folder / self.name), self.package]
        return ["go", "install", *flags, f"{self.package}@{self.version}"]


def required_version(go_mod: Path, package: str) -> str:
    """The version that a go.mod requires of a package's module, such as `v1.35.4`; DevError where it does not."""
    found = re.search(rf"^\s*(?:require\s+)?{re.escape(package)} (v\S+)", go_mod.read_text(), re.MULTILINE)
    if not found:
        raise DevError(f"{go_mod} does not require {package}")
    return found.group(1)


def _kubernetes(name: str, version: str) -> Recipe:
    major, minor, _ = version.removeprefix("v").split(".", 2)
    facts = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    stamps = " ".join(f"-X {_VERSION_PACKAGE}.{field}={value}" for field, value in facts.items())
    return Recipe(name, f"k8s.io/kubernetes/cmd/{name}", version, KUBERNETES_MODULE, f"-s -w {stamps}")


def _pinned(name: str, package: str, *, of: str, module: Path = KUBERNETES_MODULE) -> Recipe:
    """A program that is no part of Kubernetes, in the version of the Go module `of` that `module` requires."""
    return Recipe(name, package, required_version(module / "go.mod", of), module)


def recipes() -> dict[str, Recipe]:
    """Every program that can be built, by name: first those of the tests, then in the order of a cluster's start."""
    version = required_version(KUBERNETES_MODULE / "go.mod", "k8s.io/kubernetes")
    tested = (
        _kubernetes("kube-apiserver", version),
        _kubernetes("kubectl", version),
        _pinned("helm", "helm.sh/helm/v4/cmd/helm", of="helm.sh/helm/v4"),
        _pinned("kstatus", "./kstatus", of="sigs.k8s.io/cli-utils"),
        _pinned("promrules", ".", of=_PROMETHEUS, module=PROMETHEUS_MODULE),
        _pinned("registry", f"{_CONTAINERS}/cmd/registry", of=_CONTAINERS, module=REGISTRY_MODULE),
    )
    names = ("kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy")
    others = (
        Recipe("pause", ".", "v1", PAUSE_MODULE),
        _pinned("coredns", "./coredns", of="github.com/coredns/coredns"),
        _pinned("kuberay-operator", KUBERAY_PACKAGE, of=KUBERAY_PACKAGE),
        _pinned("kueue", f"{KUEUE_PACKAGE}/cmd/kueue", of=KUEUE_PACKAGE, module=KUEUE_MODULE),
    )
    return {recipe.name: recipe for recipe in (*tested, *(_kubernetes(name, version) for name in names), *others)}


def ensure(name: str, paths: Paths | None = None) -> Path:
    """The path of a built program, building it first where it is not there yet.

    Raises `DevError` for an unknown name or where Go is missing, `CommandError` where the build fails.
    """
    paths = paths or Paths.default()
    known = recipes()
    if name not in known:
        raise DevError(f"no recipe for {name!r}; there are recipes for: {', '.join(known)}")
    target = known[name].path(paths)
    if not target.exists():
        with one_at_a_time(paths.binaries):
            if not target.exists():
                _build(known[name], target)
    return target


def _build(recipe: Recipe, target: Path) -> None:
    if not shutil.which("go"):
        raise DevError(f"building {recipe.name} needs Go 1.25 or later: install it and put `go` on the PATH")
    target.parent.mkdir(parents=True, exist_ok=True)
    with (
        step(f"building {recipe.name} {recipe.version} (minutes the first time, then cached)"),
        tempfile.TemporaryDirectory(prefix=".building-", dir=target.parent) as temporary,
    ):
        environment = {"CGO_ENABLED": "0", "GOBIN": temporary}
        run("nice", *recipe.command(Path(temporary)), environment=environment, folder=recipe.module)
        (Path(temporary) / recipe.name).rename(target)
