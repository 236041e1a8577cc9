"""The cluster in use, wherever it comes from: up, down, status, images."""

import os
import shutil
from concurrent.futures import ThreadPoolExecutor

from finetune_dev import binaries, kind
from finetune_dev.addons import install
from finetune_dev.addons.install import Addon
from finetune_dev.choice import Provider, choose
from finetune_dev.errors import DevError
from finetune_dev.image.buildah import Builder
from finetune_dev.image.catalogue import PROJECT_IMAGES
from finetune_dev.image.images import ImageStore
from finetune_dev.kubectl import api_answers, cluster_environment, program
from finetune_dev.node.built import BuiltCluster
from finetune_dev.node.mounts import remove_tree
from finetune_dev.node.system import install_packages, require_root
from finetune_dev.paths import KUBECONFIG_VARIABLE, Paths, kubeconfig_path
from finetune_dev.shell import say, step, succeeds


class Cluster:
    """The cluster that the environment and what was started before decide."""

    def __init__(self, paths: Paths | None = None) -> None:
        self._paths = paths or Paths.default()
        self._marker = self._paths.root / "provider"
        self._built = BuiltCluster(self._paths)
        self.provider = choose(
            os.environ,
            started=Provider(self._marker.read_text()) if self._marker.exists() else None,
            kind_installed=shutil.which("kind") is not None,
            docker_runs=lambda: succeeds("docker", "info"),
        )

    def prepare(self) -> None:
        """Build what a cluster of this machine's own is made of, without starting it: programs and images side by side.

        Images wait for downloads and disks where programs are compiled. Elsewhere there is nothing to do beforehand.
        """
        if self.provider is not Provider.BUILT:
            say(f"cluster: {self._description()}: nothing is built for it beforehand")
            return
        require_root()
        install_packages()
        images = ImageStore(self._paths, self._built.containerd)
        with step("programs and images"), ThreadPoolExecutor(1) as beside:
            built = beside.submit(images.build_project)
            for name in binaries.recipes():
                # The machine's own kubectl is used where there is one.
                if name not in binaries.ON_DEMAND and not (name == "kubectl" and shutil.which(name)):
                    binaries.ensure(name, self._paths)
            built.result()

    def up(self) -> None:
        """Have the cluster running; mends one that is half up."""
        say(f"cluster: {self._description()}")
        if self.provider is Provider.GIVEN:
            self._require_answer()
            return
        self._paths.root.mkdir(parents=True, exist_ok=True)
        self._marker.write_text(self.provider)
        with step("cluster up"):
            if self.provider is Provider.KIND:
                kind.up(self._paths)
            else:
                self._built.up()

    def down(self) -> None:
        """Take the cluster away, with everything in it; built programs and images stay in the cache."""
        if self.provider is Provider.GIVEN:
            raise DevError(
                f"the cluster of {KUBECONFIG_VARIABLE} was not started from here, so it is not stopped either"
            )
        with step("cluster down"):
            if self.provider is Provider.KIND:
                kind.down(self._paths)
            else:
                self._built.down()
        self._marker.unlink(missing_ok=True)

    def purge(self) -> None:
        """Take the cluster away and free the disk of all images; built programs stay."""
        self.down()
        Builder(self._paths).release()
        for folder in (self._paths.images, self._paths.containerd):
            remove_tree(folder)

    def status(self) -> bool:
        """Print what runs; returns whether the cluster can be used."""
        usable = api_answers(kubeconfig_path())
        print(f"cluster:    {self._description()}")
        print(f"kubeconfig: {kubeconfig_path()}")
        print(f"API server: {'ready' if usable else 'does not answer'}")
        if self.provider is not Provider.BUILT:
            return usable
        for name, runs in self._built.status().items():
            print(f"  {name:<24} {'runs' if runs else 'does not run'}  {self._built.daemons.log(name)}")
        return usable and all(self._built.status().values())

    def load_images(self) -> None:
        """Have the project's images, of the tree's present state, in the cluster."""
        match self.provider:
            case Provider.GIVEN:
                names = ", ".join(f"{image.dockerfile} as {image.reference}" for image in PROJECT_IMAGES)
                raise DevError(
                    "images cannot be put into a cluster that was not started from here: build "
                    f"{names}, push them to a registry that it reaches, and name them to the chart"
                )
            case Provider.KIND:
                kind.load_images()
            case Provider.BUILT:
                with step("images"):
                    self._image_store().load_project()

    def install(self, wanted: Addon) -> None:
        """Have an addon running; in a cluster that was not started from here it must be there."""
        if self.provider is Provider.GIVEN:
            if not succeeds(program("kubectl"), "get", "crd", *wanted.crds, environment=cluster_environment()):
                message = f"has no {wanted.title}: install it there ({wanted.requirement})"
                raise DevError(f"the cluster of {KUBECONFIG_VARIABLE} {message}")
            return
        store = self._image_store() if self.provider is Provider.BUILT else None
        built = binaries.ensure(wanted.program, self._paths)
        if store is None:
            kind.load_image(wanted.image, built.parent)
        else:
            store.load_program(wanted.image, built)
        install.install(wanted, built)

    def remove(self, unwanted: Addon) -> None:
        """Take an addon away again."""
        if self.provider is Provider.GIVEN:
            message = f"{unwanted.title} was not installed from here, so it is not taken away either"
            raise DevError(f"the cluster of {KUBECONFIG_VARIABLE}: {message}")
        install.remove(unwanted, binaries.ensure(unwanted.program, self._paths))

    def _image_store(self) -> ImageStore:
        if not self._built.containerd.answers():
            raise DevError("the cluster is not up, so no images can be loaded: python -m finetune_dev up")
        return ImageStore(self._paths, self._built.containerd)

    def _description(self) -> str:
        return {
            Provider.GIVEN: f"the one of {KUBECONFIG_VARIABLE}",
            Provider.KIND: f"kind ({kind.CLUSTER})",
            Provider.BUILT: f"this machine's own, built from source (state and logs in {self._paths.root})",
        }[self.provider]

    def _require_answer(self) -> None:
        path = kubeconfig_path()
        if not api_answers(path):
            raise DevError(f"the API server of {path} ({KUBECONFIG_VARIABLE}) does not answer")
