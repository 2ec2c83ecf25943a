"""`make demo`: the main job, done as a brand would, over HTTP and S3 only, against the embedded stack.

Keeps serving until Ctrl-C; with `ASSAY_DEMO_ONCE=1` ends after the table, with 0 if everything held.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

import httpx
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from assay_shared.errors import AssayError
from deploy.local.brand_client import BrandClient, BrandFailed
from deploy.local.demo_report import (
    Conclusion,
    Judged,
    describe_unseen,
    judge_verdicts,
    print_conclusions,
    print_service_errors,
    print_table,
    prove_clean,
    prove_explained,
)
from deploy.local.photos.catalog import make_brand
from deploy.local.photos.dataset import DemoPhoto, test_photos, training_photos
from deploy.local.serve import run_stack, serve_until_interrupted
from deploy.local.services import REPOSITORY
from deploy.local.stack import Stack

SEED = 7
TRAIN_PHOTOS, TEST_PHOTOS = 62, 32
"""As many as the original service trained and tested a brand on."""
OPTIONS = {"image_size": 480, "epochs": 20, "batch": 8}
"""Small enough for two cores; production keeps the trainer's defaults (640 pixels, 100 epochs)."""
RUN_SECONDS = 1200.0


def main() -> int:
    """Runs the demo; the exit status."""
    console = Console(width=None if sys.stdout.isatty() else 140)
    once = os.environ.get("ASSAY_DEMO_ONCE", "") not in ("", "0")

    def use(stack: Stack) -> int:
        conclusions = play_brand(stack, console)
        held = all(conclusion.held for conclusion in conclusions)
        if not held:
            print_service_errors(console, stack.data_dir / "logs")
        if not once:
            serve_until_interrupted(stack, console)
        return 0 if held else 1

    return run_stack(use, REPOSITORY / ".assay" / "demo", console, fresh=True)


def play_brand(stack: Stack, console: Console) -> list[Conclusion]:
    """The whole story; prints it, and returns what held and what did not."""
    brand = make_brand(SEED)
    started = time.monotonic()
    conclusions: list[Conclusion] = []
    with BrandClient(stack.access(), brand) as client:
        try:
            client.register()
            console.print(f"Brand {brand.name} with {', '.join(p.name for p in brand.products)}")
            uploads, photos = upload(client, training_photos(brand, TRAIN_PHOTOS), console)
            run = client.finish(OPTIONS)
            console.print('The brand has said "finished"; training runs')
            done = watch(client, run, console)
            conclusions.append(check_ingested(client, uploads, photos))
            version = client.wait_until_live(done["model_version"], 60)
            map50 = version["metrics"].get("map50")
            conclusions.append(
                Conclusion(f"Model {version['version']} passed its gate and is live (mAP50 {map50})", True)
            )
            seconds = client.wait_until_judging(photos[0].data, 10)
            console.print(f"The verify API picked the model up {seconds:.1f} s later")
            minutes = (time.monotonic() - started) / 60
            console.print(f"From the first photo to the live model: {minutes:.1f} minutes")
            judged = verify(client, test_photos(brand, TEST_PHOTOS), console)
            print_table(console, judged)
            conclusions += judge_verdicts(judged)
            conclusions.append(prove_explained(client, judged))
            conclusions.append(prove_clean(client.store, photos))
            console.print(describe_unseen(judged), highlight=False)
        except (BrandFailed, AssayError, httpx.HTTPError) as failure:
            conclusions.append(Conclusion(f"{type(failure).__name__}: {failure}", False))
    print_conclusions(console, conclusions)
    return conclusions


def upload(
    client: BrandClient, photos: Iterable[DemoPhoto], console: Console
) -> tuple[list[str], list[DemoPhoto]]:
    """Uploads in turn by HTTP and by S3, while the photos are drawn; returns the uploads' ids, the photos."""
    by_http, by_s3 = client.start_upload(), client.start_upload()
    sent: list[DemoPhoto] = []
    with console.status("Drawing and uploading photos"):
        for photo in photos:
            # Pairs, for both ways are to see every format.
            if len(sent) // 2 % 2 == 0:
                client.upload_by_http(by_http, photo)
            else:
                client.upload_by_s3(by_s3, photo)
            sent.append(photo)
    console.print(f"Uploaded {len(sent)} annotated photos, half by HTTP and half by S3")
    return [by_http, by_s3], sent


def watch(client: BrandClient, run: str, console: Console) -> dict[str, Any]:
    """Shows the run as a progress bar until it ends; returns the run."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[numbers]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("queued", total=None, numbers="")
        told = 0

        def show(seen: dict[str, Any]) -> None:
            nonlocal told
            progress = seen["progress"]
            if not console.is_terminal and progress["epoch"] > told:
                # A log has no bar: one line an epoch.
                told = progress["epoch"]
                console.print(f"epoch {told} of {progress['epochs']}  {describe_progress(progress)}")
            bar.update(
                task,
                description=seen["state"],
                completed=progress["epoch"],
                total=progress["epochs"] or None,
                numbers=describe_progress(progress),
            )

        return client.watch_run(run, RUN_SECONDS, show)


def describe_progress(progress: dict[str, Any]) -> str:
    """Losses, mAP50 and the time left, in one line."""
    parts = [f"{name} {loss:.2f}" for name, loss in progress["losses"].items()]
    if progress["map50"] is not None:
        parts.append(f"mAP50 {progress['map50']:.2f}")
    if progress["seconds_left"] is not None:
        parts.append(f"{progress['seconds_left']:.0f} s left")
    return "  ".join(parts)


def check_ingested(client: BrandClient, uploads: Sequence[str], photos: Sequence[DemoPhoto]) -> Conclusion:
    """Every photo that was uploaded is an accepted image."""
    reports = client.wait_until_ingested(uploads, 60)
    refused = [file for report in reports for file in report["files"] if file["state"] == "quarantined"]
    names = {image["name"] for image in client.images("accepted")}
    accepted = sum(photo.name in names for photo in photos)
    text = f"{accepted} of {len(photos)} photos accepted"
    if refused:
        text += "; quarantined: " + "; ".join(f"{file['name']}: {file['reason']}" for file in refused[:5])
    return Conclusion(text, accepted == len(photos) and not refused)


def verify(client: BrandClient, photos: Iterable[DemoPhoto], console: Console) -> list[Judged]:
    """Has every photo judged: half by the brand's name, a quarter by GTIN, a quarter by the picture alone."""
    judged = []
    for index, photo in enumerate(photos):
        asked_by = ("brand", "picture", "brand", "gtin")[index // 2 % 4]
        if asked_by == "picture" and photo.photo_kind == "wrong-barcode":
            # Its barcode names a brand that Assay does not know: it has to be asked about by name.
            asked_by = "brand"
        fields = {
            "brand": {"brand": client.brand.slug},
            "gtin": {"gtin": photo.product.gtin if photo.product else ""},
            "picture": {},
        }[asked_by]
        judged.append(Judged(photo, asked_by, client.verify(photo.data, photo.name, **fields)))
    console.print(f"Verified {len(judged)} pictures")
    return judged


if __name__ == "__main__":
    sys.exit(main())
