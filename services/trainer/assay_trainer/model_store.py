"""What a run fetches from the object store and puts there."""

from __future__ import annotations

import mimetypes
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

from assay_shared import keys
from assay_shared.errors import AssayError, NotFound
from assay_shared.storage import ObjectStore
from assay_shared.wire import DatasetItem, DatasetManifest

KEPT_CHECKPOINTS = 2
"""How many checkpoints stay in the store: the newest, and one before it in case its upload was cut."""


class InputMissing(AssayError):
    """A run needs a file that cannot be had; the reason names it."""

    type = "training-input-missing"
    title = "A file that the run needs cannot be had"
    status = 422


def find_base_weights(name: str, store: ObjectStore, folder: Path) -> Path | None:
    """The file of the pretrained weights that a setting names; None for the bundled ones.

    `name` is a local file, `s3://bucket/key`, or an ultralytics asset such as `yolov5nu.pt`, which is left
    to the child. Raises InputMissing, so that a run fails before any work rather than start from random
    weights.
    """
    if not name:
        return None
    url = urlsplit(name)
    if url.scheme == "s3":
        path = folder / Path(url.path).name
        try:
            store.get_file(url.netloc, url.path.lstrip("/"), path)
        except NotFound as error:
            raise InputMissing(f"ASSAY_PRETRAINED_WEIGHTS names {name}, which is not in the store") from error
        return path
    path = Path(name)
    if not path.is_file() and (len(path.parts) > 1 or path.suffix != ".pt"):
        raise InputMissing(f"ASSAY_PRETRAINED_WEIGHTS names the file {name}, which does not exist")
    return path


def fetch_images(store: ObjectStore, dataset: DatasetManifest, folder: Path) -> None:
    """Fetches every image of a dataset version. Raises InputMissing for one that was deleted since."""
    folder.mkdir(parents=True, exist_ok=True)

    def fetch(item: DatasetItem) -> None:
        key = keys.image_key(dataset.brand, item.sha256, item.extension)
        try:
            store.get_file(keys.IMAGES, key, folder / f"{item.sha256}.{item.extension}")
        except NotFound as error:
            raise InputMissing(
                f"Image {item.sha256} of dataset version {dataset.id} was deleted; start a new training run"
            ) from error

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(fetch, dataset.items))


def fetch_model(store: ObjectStore, brand: str, version: str | None, folder: Path) -> Path | None:
    """Fetches `model.json` and `model.safetensors` of a version, to compare with; None without one."""
    if version is None:
        return None
    for name in ("model.json", "model.safetensors"):
        try:
            store.get_file(keys.LIVE, keys.model_folder(brand, version) + name, folder / name)
        except NotFound:
            return None
    return folder


def fetch_checkpoint(store: ObjectStore, brand: str, version: str, folder: Path) -> Path | None:
    """The newest stored checkpoint of an interrupted run, or None."""
    found = _list_checkpoints(store, brand, version)
    if not found:
        return None
    path = folder / "resume" / Path(found[-1]).name
    store.get_file(keys.MODELS, found[-1], path)
    return path


def store_checkpoint(store: ObjectStore, brand: str, version: str, epoch: int, path: Path) -> None:
    """Stores the checkpoint of an epoch and drops all but the newest few."""
    key = f"{keys.model_folder(brand, version)}training/epoch-{epoch:05d}.tar"
    store.put_file(keys.MODELS, key, path)
    for old in _list_checkpoints(store, brand, version)[:-KEPT_CHECKPOINTS]:
        store.delete(keys.MODELS, old)


def store_model(store: ObjectStore, brand: str, version: str, folder: Path) -> None:
    """Stores a model version's folder; `model.json` last, for its arrival is the event."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    for path in sorted(files, key=lambda path: path.name == "model.json"):
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        key = keys.model_folder(brand, version) + path.relative_to(folder).as_posix()
        store.put_file(keys.MODELS, key, path, kind)


def _list_checkpoints(store: ObjectStore, brand: str, version: str) -> list[str]:
    prefix = f"{keys.model_folder(brand, version)}training/epoch-"
    return sorted(found.key for found in store.list(keys.MODELS, prefix))
