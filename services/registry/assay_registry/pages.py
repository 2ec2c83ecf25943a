"""The pages: plain HTML made on the server, a little JavaScript that calls the same API as everybody."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assay_registry.charts import draw_counts, draw_curves, draw_shares
from assay_registry.context import Context, ContextDep, find_brand, identify
from assay_registry.figures import read_figures
from assay_registry.files import KEPT
from assay_registry.models import (
    BrandRow,
    FileRow,
    ImageRow,
    LabelRow,
    ModelVersionRow,
    ProductRow,
    RunEpochRow,
    TrainingRunRow,
)
from assay_registry.run_states import read_warnings
from assay_shared import auth
from assay_shared.auth import Principal
from assay_shared.errors import AssayError, NotAllowed, NotAuthenticated, NotFound
from assay_shared.wire import ACTIVE_STATES, LabelRole

HERE = Path(__file__).parent
IMAGES_SHOWN = 60
LISTED = 20
FIGURE_DAYS = 30
KEY_SECONDS = 30 * 24 * 3600
CONTENT_POLICY = "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'; form-action 'self'"

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
templates = Jinja2Templates(HERE / "templates")


def install_pages(app: FastAPI) -> None:
    """Adds the pages and their static files to the registry's app."""
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    app.include_router(router)


@router.get("/")
def show_verify(request: Request, context: ContextDep) -> Response:
    """Verify with the phone's camera; works without a key for brands with public verification."""
    return render(request, "verify.html", principal=find_principal(request, context))


@router.get("/login")
def show_login(request: Request, next: str = "/brands") -> Response:
    """Asks for an API key."""
    return render(request, "login.html", next=_local(next))


@router.post("/login")
def log_in(
    request: Request,
    context: ContextDep,
    key: Annotated[str, Form()],
    next: Annotated[str, Form()] = "/brands",
) -> Response:
    """Keeps a valid key in a cookie that scripts cannot read."""
    asked = Request({**request.scope, "headers": [(b"authorization", f"Bearer {key.strip()}".encode())]})
    try:
        identify(asked, context)
    except NotAuthenticated as error:
        return render(request, "login.html", next=_local(next), problem=error.detail, status=401)
    answer = RedirectResponse(_local(next), 303)
    answer.set_cookie(
        auth.COOKIE,
        key.strip(),
        max_age=KEY_SECONDS,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


@router.post("/logout")
def log_out() -> Response:
    """Forgets the key."""
    answer = RedirectResponse("/", 303)
    answer.delete_cookie(auth.COOKIE)
    return answer


@router.get("/brands")
def show_brands(request: Request, context: ContextDep) -> Response:
    """The brands that the caller may see."""
    principal = find_principal(request, context)
    if principal is None:
        return RedirectResponse("/login?next=/brands", 303)
    if not principal.admin:
        return RedirectResponse(f"/brands/{principal.brand}", 303)
    with context.database.session() as session:
        brands = session.scalars(select(BrandRow).order_by(BrandRow.slug)).all()
    return render(request, "brands.html", principal=principal, brands=brands)


@router.get("/brands/{brand}")
def show_brand(request: Request, context: ContextDep, brand: str, state: str = "") -> Response:
    """A brand: upload, images, products, labels, runs, versions."""
    principal = find_principal(request, context)
    if principal is None:
        return RedirectResponse(f"/login?next=/brands/{brand}", 303)
    try:
        principal.require(brand)
        with context.database.session() as session:
            page = _read_brand(session, brand, state)
    except (NotFound, NotAllowed) as error:
        return render(request, "missing.html", principal=principal, problem=error.detail, status=error.status)
    return render(request, "brand.html", principal=principal, shown_state=state, **page)


@router.get("/brands/{brand}/runs/{run}/panel")
def show_run(request: Request, context: ContextDep, brand: str, run: str) -> Response:
    """The panel of one run, fetched again whenever the run changes."""
    identify(request, context).require(brand)
    with context.database.session() as session:
        row = session.get(TrainingRunRow, run)
        if row is None or row.brand != brand:
            raise NotFound(f"There is no training run {run!r}")
        panel = _read_run(session, row)
    return render(request, "run.html", item=panel)


def _read_brand(session: Session, slug: str, state: str) -> dict[str, Any]:
    brand = find_brand(session, slug)
    wanted = ImageRow.state == state if state else ImageRow.state != KEPT
    images = select(ImageRow).where(ImageRow.brand == slug, wanted)
    counts = select(ImageRow.state, func.count()).where(ImageRow.brand == slug).group_by(ImageRow.state)
    runs = (
        select(TrainingRunRow)
        .where(TrainingRunRow.brand == slug)
        .order_by(TrainingRunRow.id.desc())
        .limit(LISTED)
    )
    versions = (
        select(ModelVersionRow)
        .where(ModelVersionRow.brand == slug)
        .order_by(ModelVersionRow.created_at.desc())
        .limit(LISTED)
    )
    refused = (
        select(FileRow)
        .where(FileRow.brand == slug, FileRow.state == "quarantined")
        .order_by(FileRow.id.desc())
        .limit(LISTED)
    )
    products = select(ProductRow).where(ProductRow.brand == slug).order_by(ProductRow.gtin)
    labels = select(LabelRow).where(LabelRow.brand == slug).order_by(LabelRow.name)
    figures = read_figures(session, slug, FIGURE_DAYS)
    return {
        "brand": brand,
        "images": session.scalars(images.order_by(ImageRow.created_at.desc()).limit(IMAGES_SHOWN)).all(),
        "counts": dict(session.execute(counts).all()),
        "refused": session.scalars(refused).all(),
        "products": session.scalars(products).all(),
        "labels": session.scalars(labels).all(),
        "roles": [role.value for role in LabelRole],
        "runs": [_read_run(session, run) for run in session.scalars(runs)],
        "versions": session.scalars(versions).all(),
        "figures": figures,
        "bars": draw_shares(figures.days),
        "p_bars": draw_counts(figures.newest.p_values),
    }


def _read_run(session: Session, run: TrainingRunRow) -> dict[str, Any]:
    epochs = session.scalars(
        select(RunEpochRow).where(RunEpochRow.run == run.id).order_by(RunEpochRow.epoch)
    ).all()
    return {
        "run": run,
        "active": run.state in {state.value for state in ACTIVE_STATES},
        "curves": draw_curves([epoch.progress for epoch in epochs]),
        "warnings": read_warnings(session, run),
    }


def find_principal(request: Request, context: Context) -> Principal | None:
    """Who is logged in; None when nobody is, or the database is away."""
    try:
        return identify(request, context)
    except NotAuthenticated:
        return None
    except AssayError:
        # The database is away: the page still verifies.
        return None


def _local(address: str) -> str:
    """Only addresses of this site are followed after logging in."""
    return address if address.startswith("/") and not address.startswith(("//", "/\\")) else "/brands"


def render(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """A page made from a template, with the headers that every page has."""
    answer = templates.TemplateResponse(request, template, values, status_code=status)
    answer.headers["Content-Security-Policy"] = CONTENT_POLICY
    answer.headers["Referrer-Policy"] = "same-origin"
    answer.headers["X-Content-Type-Options"] = "nosniff"
    return answer
