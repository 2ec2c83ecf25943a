from __future__ import annotations

import io
import tarfile

from assay_inference.sagemaker_models import multi_model_name, pack


def test_an_archive_holds_the_files_and_is_the_same_for_the_same_files() -> None:
    files = {"model.json": b"{}", "model.safetensors": bytes(range(256)) * 40}
    packed = pack(files)
    assert packed == pack(files)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        read = {member.name: archive.extractfile(member) for member in archive}
        assert {name: file.read() for name, file in read.items() if file} == files


def test_a_versions_name_is_its_own() -> None:
    assert multi_model_name(("acme", "mdl_1")) == "acme/mdl_1.tar.gz"
