"""`python -m deploy.store COMMAND`: `--help` lists the commands.

Exit status 0, or 1 with one line on standard error.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path
from typing import NoReturn, TypeVar

import orjson
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from assay_shared.errors import AssayError, InvalidRequest, NotFound
from assay_shared.keys import BUCKETS
from assay_shared.settings import StoreSettings
from assay_shared.storage import ObjectStore
from deploy.store.accounts import Accounts
from deploy.store.backup import back_up_objects, finish_backup
from deploy.store.brand_accounts import add_credentials, brand_of, list_credentials, remove_credentials
from deploy.store.bucket_check import find_faults
from deploy.store.checking import check_backup, extract, open_backup
from deploy.store.manifest import DATABASE_DUMP, ENV, MANIFEST, Total
from deploy.store.restore import restore_objects
from deploy.store.settings import BrandListing, BrandSecret, Notify, ServiceSecrets
from deploy.store.setup import set_up

Settings = TypeVar("Settings", bound=BaseSettings)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InvalidRequest(f"{message}; see `python -m deploy.store --help`")


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; gives the exit status."""
    try:
        chosen = _make_parser().parse_args(arguments)
        status: int | None = chosen.run(chosen)
    except AssayError as error:
        return _fail(error.detail)
    except OSError as error:
        return _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except KeyboardInterrupt:
        return _fail("stopped before its end; run it again")
    return status or 0


def _fail(reason: str) -> int:
    print("store: " + " ".join(reason.split()), file=sys.stderr)
    return 1


def _make_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="python -m deploy.store", description="The compose stack's store: set up, back up.")
    commands = parser.add_subparsers(dest="command", required=True)
    command = commands.add_parser("setup", help="make buckets, events and accounts what they should be")
    command.set_defaults(run=_set_up)

    command = commands.add_parser("check-buckets", help="say what is missing in a store that others set up")
    command.set_defaults(run=_check_buckets)

    brands = commands.add_parser("brand-credentials", help="a brand's own S3 credentials for bulk uploads")
    verbs = brands.add_subparsers(dest="verb", required=True)
    command = verbs.add_parser("add", help="make new ones; prints them once, as JSON")
    command.add_argument("brand")
    command.set_defaults(run=_add_credentials)
    command = verbs.add_parser("list", help="one JSON object a line, without secrets")
    command.add_argument("brand", nargs="?")
    command.set_defaults(run=_list_credentials)
    command = verbs.add_parser("remove", help="they stop working at once")
    command.add_argument("access_key", metavar="ACCESS_KEY")
    command.set_defaults(run=_remove_credentials)

    command = _add_on_file(commands, "backup-objects", "phase 1 of a backup, while everything runs")
    command.set_defaults(run=_back_up_objects)
    command = _add_on_file(commands, "backup-finish", "phase 2, while the writers are paused")
    command.add_argument("--database-dump", required=True, metavar="PATH", help="- for standard input")
    command.add_argument("--env", required=True, type=Path, metavar="PATH", help="the .env file")
    command.set_defaults(run=_finish_backup)
    command = _add_on_file(commands, "check", "read a backup whole and compare every hash")
    command.set_defaults(run=_check)
    command = _add_on_file(commands, "extract", "write a member to standard output, its hash compared")
    command.add_argument("member", choices=(DATABASE_DUMP, ENV, MANIFEST))
    command.set_defaults(run=_extract)
    command = _add_on_file(commands, "restore-objects", "make the store equal to a backup")
    command.add_argument(
        "--checked", action="store_true", help="`check` has just read it: do not read it twice"
    )
    command.set_defaults(run=_restore)
    command = commands.add_parser("is-empty", help="exit status 0 when no bucket holds an object, else 1")
    command.set_defaults(run=_is_empty)
    return parser


def _add_on_file(commands: argparse._SubParsersAction[_Parser], name: str, told: str) -> _Parser:
    command = commands.add_parser(name, help=told)
    command.add_argument("file", type=Path, metavar="FILE")
    return command


def _read(kind: type[Settings]) -> Settings:
    """Settings from the environment. Raises InvalidRequest that names the variables, never their values."""
    try:
        return kind()
    except ValidationError as error:
        prefix = kind.model_config.get("env_prefix", "")
        problems = [
            f"{prefix}{'.'.join(str(step) for step in problem['loc'])}".upper() + f": {problem['msg']}"
            if problem["loc"]
            else problem["msg"].removeprefix("Value error, ")
            for problem in error.errors(include_input=False, include_url=False)
        ]
        raise InvalidRequest(f"Set these environment variables: {'; '.join(problems)}") from error


def _set_up(_: argparse.Namespace) -> None:
    settings = _read(StoreSettings)
    lines = set_up(
        settings,
        _read(ServiceSecrets),
        notify=_read(Notify).notify,
        listing=_read(BrandListing).s3_brand_listing,
    )
    for line in lines:
        print(line, flush=True)
    print(f"The store at {settings.endpoint} is ready")


def _check_buckets(_: argparse.Namespace) -> int:
    settings = _read(StoreSettings)
    faults = list(find_faults(settings))
    for fault in faults:
        print(fault, file=sys.stderr)
    if faults:
        print("store: make what is missing with deploy/aws/store.yml, docs/aws-store.md", file=sys.stderr)
        return 1
    print(f"The store at {settings.endpoint} is ready")
    return 0


def _add_credentials(chosen: argparse.Namespace) -> None:
    made = add_credentials(
        _read(StoreSettings),
        _read(BrandSecret).s3_accounts_secret,
        chosen.brand,
        listing=_read(BrandListing).s3_brand_listing,
    )
    _print_json(made)


def _list_credentials(chosen: argparse.Namespace) -> None:
    accounts = Accounts(_read(StoreSettings))
    for key in list_credentials(accounts, chosen.brand):
        _print_json({"brand": brand_of(key), "access_key": key, "enabled": accounts.is_enabled(key)})


def _remove_credentials(chosen: argparse.Namespace) -> None:
    remove_credentials(Accounts(_read(StoreSettings)), chosen.access_key)
    print(f"Removed {chosen.access_key}")


def _back_up_objects(chosen: argparse.Namespace) -> None:
    stored = back_up_objects(_read(StoreSettings), chosen.file)
    print(f"{chosen.file}: {stored} objects stored; now run backup-finish")


def _finish_backup(chosen: argparse.Namespace) -> None:
    dump = None if chosen.database_dump == "-" else Path(chosen.database_dump)
    settings = _read(StoreSettings)
    manifest = finish_backup(settings, chosen.file, dump, chosen.env, accounts=not settings.is_amazon)
    _print_totals(chosen.file, manifest.totals)


def _check(chosen: argparse.Namespace) -> None:
    backup = check_backup(chosen.file)
    print(f"{chosen.file}: whole, made {backup.manifest.created:%Y-%m-%dT%H:%M:%SZ}")
    _print_totals(chosen.file, backup.manifest.totals)


def _extract(chosen: argparse.Namespace) -> None:
    extract(chosen.file, chosen.member, sys.stdout.buffer)


def _restore(chosen: argparse.Namespace) -> None:
    settings, master = _read(StoreSettings), _read(BrandSecret).s3_accounts_secret
    backup = open_backup(chosen.file) if chosen.checked else check_backup(chosen.file)
    listing = _read(BrandListing).s3_brand_listing
    accounts = not settings.is_amazon
    for line in restore_objects(settings, master, backup, listing=listing, accounts=accounts):
        print(line, flush=True)
    print(f"The store at {settings.endpoint} holds what {chosen.file} holds")


def _is_empty(_: argparse.Namespace) -> int:
    store = ObjectStore(_read(StoreSettings))
    for bucket in BUCKETS:
        try:
            found = next(store.list(bucket), None)
        except NotFound:
            continue
        if found is not None:
            print(f"bucket {bucket} holds objects")
            return 1
    print("No bucket holds an object")
    return 0


def _print_totals(path: Path, totals: dict[str, Total]) -> None:
    for bucket, total in totals.items():
        print(f"{path}: bucket {bucket}: {total.objects} objects, {total.bytes} bytes")


def _print_json(value: object) -> None:
    print(orjson.dumps(value).decode(), flush=True)


if __name__ == "__main__":
    # As the first process of a container it would not hear of SIGTERM, and leave half an archive when killed.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
