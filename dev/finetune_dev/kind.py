"""The cluster by kind (https://kind.sigs.k8s.io), where a Docker daemon runs."""

from pathlib import Path

from finetune_dev.image.buildah import HOST_AUTHORITIES
from finetune_dev.image.catalogue import PROJECT_IMAGES, Image
from finetune_dev.paths import REPOSITORY, Paths
from finetune_dev.shell import run, step

CLUSTER = "finetune"


def up(paths: Paths) -> None:
    """Have the cluster there, and its kubeconfig in the cache."""
    paths.root.mkdir(parents=True, exist_ok=True)
    if CLUSTER in run("kind", "get", "clusters").split():
        run("kind", "export", "kubeconfig", "--name", CLUSTER, "--kubeconfig", paths.kubeconfig)
        return
    with step("creating a cluster with kind"):
        run("kind", "create", "cluster", "--name", CLUSTER, "--kubeconfig", paths.kubeconfig, "--wait", "120s")


def down(paths: Paths) -> None:
    """Delete the cluster."""
    run("kind", "delete", "cluster", "--name", CLUSTER)
    paths.kubeconfig.unlink(missing_ok=True)


def load_images() -> None:
    """Build the project's images with Docker, which keeps their unchanged layers, and load them into the cluster."""
    for image in PROJECT_IMAGES:
        load_image(image, REPOSITORY)


def load_image(image: Image, context: Path) -> None:
    """Build one image from a folder and load it into the cluster."""
    authorities = ["--secret", f"id=ca-bundle,src={HOST_AUTHORITIES}"] if HOST_AUTHORITIES.exists() else []
    with step(f"building {image.reference} and loading it into the cluster"):
        named = ("--tag", image.reference, "--file", REPOSITORY / image.dockerfile)
        run("docker", "build", *authorities, *named, context, environment={"DOCKER_BUILDKIT": "1"})
        run("kind", "load", "docker-image", "--name", CLUSTER, image.reference)
