"""The local cluster from the command line: `python -m finetune_dev --help`."""

import argparse
import sys
from collections.abc import Sequence

from finetune_dev import binaries
from finetune_dev.addons.catalogue import ADDONS
from finetune_dev.cluster import Cluster
from finetune_dev.errors import DevError
from finetune_dev.paths import kubeconfig_path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except DevError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _run(options: argparse.Namespace) -> int:
    match options.command:
        case "prepare":
            Cluster().prepare()
        case "up":
            Cluster().up()
        case "down":
            cluster = Cluster()
            (cluster.purge if options.purge else cluster.down)()
        case "status":
            return 0 if Cluster().status() else 1
        case "kubeconfig":
            print(kubeconfig_path())
        case "images":
            Cluster().load_images()
        case "kuberay" | "kueue":
            (Cluster().remove if options.remove else Cluster().install)(ADDONS[options.command])
        case "binaries":
            for name in options.names or binaries.recipes():
                print(binaries.ensure(name))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m finetune_dev", description="The local cluster; see dev/README.md.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("prepare", help="build all programs and images that the cluster needs, without starting it")
    commands.add_parser("up", help="have a cluster running; mends one that is half up")
    down = commands.add_parser("down", help="take the cluster away; programs and images stay in the cache")
    down.add_argument("--purge", action="store_true", help="free the disk of all images too")
    commands.add_parser("status", help="say what runs; exit code 1 where the cluster cannot be used")
    commands.add_parser("kubeconfig", help="print the path of the kubeconfig")
    commands.add_parser("images", help="build the project's images and load them into the cluster, where they changed")
    for name, purpose in (("kuberay", "mode RayCluster"), ("kueue", "execution.queueName")):
        addon = commands.add_parser(name, help=f"have {ADDONS[name].title} running in the cluster (for {purpose})")
        addon.add_argument("--remove", action="store_true", help="take it away, with every object of its kinds")
    build = commands.add_parser("binaries", help="have programs built, print their paths")
    build.add_argument("names", nargs="*", metavar="NAME", help="default: all")
    return parser


if __name__ == "__main__":
    sys.exit(main())
