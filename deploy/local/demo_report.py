"""What the demo found: the table of verdicts, and whether all that was promised held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from minio import Minio
from rich.console import Console
from rich.table import Table

from assay_ingest.metadata import carries_metadata
from deploy.local.brand_client import Answer, BrandClient
from deploy.local.photos.dataset import DemoPhoto

VISIBLE_FAKES = ("missing-seal", "wrong-logo", "wrong-barcode")
"""Kinds of fake that a detector and a barcode can tell; of the others only the print tells, from more photos
than the demo's two dozen a product surely."""
MIN_RIGHT = 0.9
"""Share of right verdicts, the original service's figure."""


@dataclass(frozen=True)
class Judged:
    """A test photo, how Assay was asked about it, and what it answered."""

    photo: DemoPhoto
    asked_by: str
    answer: Answer

    @property
    def truth(self) -> str:
        """`genuine` or `counterfeit`."""
        return "genuine" if self.photo.photo_kind == "genuine" else "counterfeit"

    @property
    def verdict(self) -> str:
        """What Assay said, or the HTTP status where it said nothing."""
        return str(self.answer.body.get("verdict", f"HTTP {self.answer.status}"))

    @property
    def right(self) -> bool:
        """Whether Assay said the truth."""
        return self.verdict == self.truth

    @property
    def visible(self) -> bool:
        """Whether the demo promises to see what it was asked."""
        return self.photo.photo_kind in ("genuine", *VISIBLE_FAKES)

    @property
    def deciding_check(self) -> str:
        """The check that settled the verdict, with its reason."""
        wanted = {"counterfeit": "fail", "inconclusive": "unclear"}.get(self.verdict)
        for check in self.answer.body.get("checks", []):
            if check["outcome"] == wanted:
                return f"{check['name']}: {check['reason']}"
        if self.verdict == "genuine":
            return "all pass"
        return str(self.answer.body.get("detail", ""))


@dataclass(frozen=True)
class Conclusion:
    """One promise, and whether it held."""

    text: str
    held: bool


def print_table(console: Console, judged: Sequence[Judged]) -> None:
    """Prints picture, truth, verdict, the deciding check and milliseconds."""
    table = Table(title="Pictures never trained on")
    for column in ("picture", "asked by", "truth", "verdict", "decided by"):
        table.add_column(column, no_wrap=column != "decided by")
    table.add_column("ms", justify="right", no_wrap=True)
    for row in judged:
        colour = "green" if row.right else "red" if row.visible else "yellow"
        kind = "" if row.truth == "genuine" else f" ({row.photo.photo_kind})"
        table.add_row(
            row.photo.name,
            row.asked_by,
            row.truth + kind,
            f"[{colour}]{row.verdict}[/]",
            row.deciding_check,
            f"{row.answer.milliseconds:.0f}",
        )
    console.print(table)


def judge_verdicts(judged: Sequence[Judged]) -> list[Conclusion]:
    """Every picture got a verdict, and enough of them the right one."""
    answered = [row for row in judged if row.answer.status == 200 and "verdict" in row.answer.body]
    seen = [row for row in judged if row.visible]
    right = sum(row.right for row in seen)
    return [
        Conclusion(f"{len(answered)} of {len(judged)} pictures got a verdict", len(answered) == len(judged)),
        Conclusion(
            f"{right} of {len(seen)} genuine and visibly fake ones judged right "
            f"({right / len(seen):.0%}, wanted {MIN_RIGHT:.0%})",
            right >= MIN_RIGHT * len(seen),
        ),
    ]


def describe_unseen(judged: Sequence[Judged]) -> str:
    """What the demo does not promise, said openly."""
    unseen = [row for row in judged if not row.visible]
    told = sum(row.right for row in unseen)
    left_open = sum(row.verdict == "inconclusive" for row in unseen)
    kinds = ", ".join(sorted({row.photo.photo_kind for row in unseen}))
    return (
        f"Told by the print alone ({kinds}), learnt here from two dozen photos a product: "
        f"{told} of {len(unseen)} called counterfeit, {left_open} left inconclusive"
    )


def prove_explained(client: BrandClient, judged: Sequence[Judged]) -> Conclusion:
    """Every print that was compared has a picture that explains what was found."""
    compared = [
        row.answer.body["id"]
        for row in judged
        for check in row.answer.body.get("checks", [])
        if check["name"] == "appearance" and check["outcome"] != "not_applicable"
    ]
    explained = sum((client.explain(one) or b"").startswith(b"\xff\xd8") for one in compared)
    text = (
        f"{len(compared)} of {len(judged)} prints were compared with the genuine ones, {explained} explained"
    )
    return Conclusion(text, len(compared) > 0 and explained == len(compared))


def prove_clean(store: Minio, uploaded: Sequence[DemoPhoto]) -> Conclusion:
    """Reads every picture stored in the buckets `uploads` and `images`, looking for Exif, GPS and more."""
    told_before = sum("GPS" in carries_metadata(photo.data) for photo in uploaded)
    pictures, telling = 0, []
    for bucket in ("uploads", "images"):
        for found in store.list_objects(bucket, recursive=True):
            name = found.object_name or ""
            if name.endswith(".json"):
                continue
            with store.get_object(bucket, name) as response:
                carried = set(carries_metadata(response.read())) - {"ICC profile"}
            pictures += 1
            if carried:
                telling.append(f"{bucket}/{name} ({', '.join(sorted(carried))})")
    text = f"{told_before} of {len(uploaded)} photos carried a GPS position; of {pictures} stored pictures "
    text += f"{len(telling)} carry Exif, GPS or other metadata"
    if telling:
        text += f": {'; '.join(telling[:5])}"
    return Conclusion(text, not telling and pictures >= len(uploaded) and told_before > 0)


def print_conclusions(console: Console, conclusions: Sequence[Conclusion]) -> None:
    """Prints each promise with yes or no."""
    for conclusion in conclusions:
        mark = "[green]held  [/]" if conclusion.held else "[red]BROKEN[/]"
        console.print(f"{mark} {conclusion.text}", highlight=False)


def print_service_errors(console: Console, logs: Path) -> None:
    """Prints what the services called errors, the last few lines of each log."""
    for path in sorted(logs.glob("*.log")):
        lines = path.read_text(errors="replace").splitlines()
        errors = [
            line for line in lines if '"level": "error"' in line or "Traceback" in line or "ERROR" in line
        ]
        for line in errors[-5:]:
            console.print(f"{path.stem}: {line[:600]}", markup=False, highlight=False)
    console.print(f"Logs: {logs}", markup=False, highlight=False)
