"""The coefficients of a JPEG, read and written through the libjpeg that Pillow brings along.

Pillow has no door to them, and no maintained wheel offers lossless turning, so the library inside Pillow's
own wheel (libjpeg-turbo, ABI 6.2, which has been frozen since 1998) is called by ctypes. libjpeg reports
fatal errors by calling a function that must not return; here that function parks the calling thread for
good and the caller goes on without it. Callers first show a file's headers to Pillow's decoder, which is the
same library, so this does not happen in practice; when it does, this process does not use it again.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray

Blocks = NDArray[np.int16]
"""Coefficients of one component: (block rows, block columns, 64 frequencies: vertical * 8 + horizontal)."""

Rearrange = Callable[[Blocks, Blocks], None]
"""Fills the second array, a component of the new file, from the first, the same component of the old."""

_ABI_VERSION = 62
_POOL_IMAGE = 1
_VOID = ctypes.c_void_p
_INT = ctypes.c_int


class LibjpegFailed(Exception):
    """libjpeg is missing, not of the expected ABI, or refused the file."""


class _ErrorManager(ctypes.Structure):
    _fields_ = (
        ("error_exit", _VOID),
        ("emit_message", _VOID),
        ("output_message", _VOID),
        ("_unused", ctypes.c_ubyte * 104),
        ("num_warnings", ctypes.c_long),
        ("_rest", ctypes.c_ubyte * 32),
    )


class _MemoryManager(ctypes.Structure):
    _fields_ = (
        ("_before", _VOID * 5),
        ("request_virt_barray", _VOID),
        ("_between", _VOID * 2),
        ("access_virt_barray", _VOID),
    )


class _Component(ctypes.Structure):
    _fields_ = (
        ("_before", _INT * 2),
        ("horizontal", _INT),
        ("vertical", _INT),
        ("_between", _INT * 3),
        ("width_in_blocks", ctypes.c_uint),
        ("height_in_blocks", ctypes.c_uint),
        ("_rest", ctypes.c_ubyte * 60),
    )


class _Decompress(ctypes.Structure):
    _fields_ = (
        ("err", _VOID),
        ("mem", ctypes.POINTER(_MemoryManager)),
        ("_common", ctypes.c_ubyte * 32),
        ("width", ctypes.c_uint),
        ("height", ctypes.c_uint),
        ("num_components", _INT),
        ("_between", ctypes.c_ubyte * 244),
        ("components", ctypes.POINTER(_Component)),
        ("_rest", ctypes.c_ubyte * 320),
    )


class _Compress(ctypes.Structure):
    _fields_ = (
        ("err", _VOID),
        ("mem", ctypes.POINTER(_MemoryManager)),
        ("_common", ctypes.c_ubyte * 32),
        ("width", ctypes.c_uint),
        ("height", ctypes.c_uint),
        ("_between", ctypes.c_ubyte * 32),
        ("components", ctypes.POINTER(_Component)),
        ("quant_tables", ctypes.POINTER(ctypes.c_uint16 * 64) * 4),
        ("_rest", ctypes.c_ubyte * 392),
    )


_ERROR_EXIT = ctypes.CFUNCTYPE(None, _VOID)
_REQUEST = ctypes.CFUNCTYPE(_VOID, _VOID, _INT, _INT, ctypes.c_uint, ctypes.c_uint, ctypes.c_uint)
_ACCESS = ctypes.CFUNCTYPE(ctypes.POINTER(_VOID), _VOID, _VOID, ctypes.c_uint, ctypes.c_uint, _INT)


def _candidates() -> Iterator[str]:
    packages = Path(PIL.__file__).parent.parent
    for pattern in ("pillow.libs/libjpeg*.so.62*", "PIL/.dylibs/libjpeg*.62*.dylib"):
        yield from (str(path) for path in sorted(packages.glob(pattern)))
    found = ctypes.util.find_library("jpeg")
    if found and ".62" in found:
        yield found


@lru_cache(maxsize=1)
def _library() -> ctypes.CDLL | None:
    if ctypes.sizeof(_VOID) != 8 or ctypes.sizeof(_Decompress) != 632 or ctypes.sizeof(_Compress) != 520:
        return None
    for path in _candidates():
        try:
            library = ctypes.CDLL(path)
            library.jpeg_mem_dest  # noqa: B018  absent from the ancient 6b itself
        except (OSError, AttributeError):
            continue
        library.jpeg_std_error.restype = _VOID
        library.jpeg_read_coefficients.restype = ctypes.POINTER(_VOID)
        return library
    return None


_broken = threading.Event()


def available() -> bool:
    """Whether a libjpeg of the expected ABI is here and has not failed in this process."""
    return not _broken.is_set() and _library() is not None


class _Job:
    """One rewriting of a JPEG, on a thread of its own that libjpeg's fatal errors may park."""

    def __init__(self, data: bytes, transpose: bool, rearrange: Rearrange) -> None:
        self.data, self.transpose, self.rearrange = data, transpose, rearrange
        self.done = threading.Event()
        self.result: bytes | None = None
        self.problem: BaseException | None = None

    def _park(self, _info: int | None) -> None:
        self.problem = LibjpegFailed("libjpeg met a fatal error")
        _broken.set()
        self.done.set()
        threading.Event().wait()

    def run(self) -> None:
        try:
            self.result = self._rewrite()
        except BaseException as error:
            self.problem = error
        self.done.set()

    @contextmanager
    def _structures(self, lib: ctypes.CDLL) -> Iterator[tuple[_Decompress, _Compress, _ErrorManager]]:
        errors, source, target = _ErrorManager(), _Decompress(), _Compress()
        park, silence = _ERROR_EXIT(self._park), _ERROR_EXIT(lambda _info: None)
        manager = lib.jpeg_std_error(ctypes.byref(errors))
        errors.error_exit = ctypes.cast(park, _VOID)
        errors.output_message = ctypes.cast(silence, _VOID)
        source.err = target.err = manager
        lib.jpeg_CreateDecompress(ctypes.byref(source), _ABI_VERSION, ctypes.c_size_t(632))
        lib.jpeg_CreateCompress(ctypes.byref(target), _ABI_VERSION, ctypes.c_size_t(520))
        try:
            yield source, target, errors
        finally:
            lib.jpeg_destroy_compress(ctypes.byref(target))
            lib.jpeg_destroy_decompress(ctypes.byref(source))
            del park, silence

    def _rewrite(self) -> bytes:
        lib = _library()
        if lib is None:
            raise LibjpegFailed("there is no libjpeg of ABI 6.2 here")
        with self._structures(lib) as (source, target, errors):
            into, out_of = ctypes.byref(target), ctypes.byref(source)
            lib.jpeg_mem_src(out_of, self.data, ctypes.c_ulong(len(self.data)))
            lib.jpeg_read_header(out_of, 1)
            old_arrays = lib.jpeg_read_coefficients(out_of)
            if errors.num_warnings:
                raise LibjpegFailed("the scan data is damaged")
            old = [
                _as_blocks(source, old_arrays[i], source.components[i], writable=False)
                for i in range(source.num_components)
            ]
            _check_range(old)
            buffer, size = _VOID(), ctypes.c_ulong(0)
            lib.jpeg_mem_dest(into, ctypes.byref(buffer), ctypes.byref(size))
            try:
                lib.jpeg_copy_critical_parameters(out_of, into)
                if self.transpose:
                    _transpose_parameters(target, source.num_components)
                requested = (_VOID * source.num_components)()
                for i, blocks in enumerate(old):
                    rows, columns = blocks.shape[:2][:: -1 if self.transpose else 1]
                    requested[i] = _REQUEST(target.mem.contents.request_virt_barray)(
                        into, _POOL_IMAGE, 0, columns, rows, target.components[i].vertical
                    )
                lib.jpeg_write_coefficients(into, requested)
                for i, blocks in enumerate(old):
                    self.rearrange(
                        blocks, _as_blocks(target, requested[i], target.components[i], writable=True)
                    )
                lib.jpeg_finish_compress(into)
                return ctypes.string_at(buffer, size.value)
            finally:
                _free(buffer)


def _free(buffer: ctypes.c_void_p) -> None:
    ctypes.CDLL(None).free(buffer)


def _transpose_parameters(target: _Compress, components: int) -> None:
    target.width, target.height = target.height, target.width
    for i in range(components):
        component = target.components[i]
        component.horizontal, component.vertical = component.vertical, component.horizontal
    for table in target.quant_tables:
        if table:
            values = np.frombuffer(table.contents, dtype=np.uint16).reshape(8, 8)
            values[:] = values.T.copy()


def _as_blocks(info: Any, array: Any, component: _Component, *, writable: bool) -> Blocks:
    """A component's coefficients as one view of libjpeg's memory, which holds them row after row."""
    access = _ACCESS(info.mem.contents.access_virt_barray)
    rows, columns = component.height_in_blocks, component.width_in_blocks
    starts = [access(ctypes.byref(info), array, row, 1, int(writable))[0] for row in range(rows)]
    row_bytes = columns * 128
    if any(start != starts[0] + row * row_bytes for row, start in enumerate(starts)):
        raise LibjpegFailed("the coefficients do not lie in one piece")
    memory = (ctypes.c_int16 * (rows * columns * 64)).from_address(starts[0])
    return np.frombuffer(memory, dtype=np.int16).reshape(rows, columns, 64)


def _check_range(components: list[Blocks]) -> None:
    """Refuse coefficients that 8-bit JPEG's Huffman codes cannot express (T.81, tables F.1 and F.2)."""
    for blocks in components:
        low, high = int(blocks.min()), int(blocks.max())
        if low == -1024 and blocks.reshape(-1, 64)[:, 1:].min() > -1024:
            low = -1023
        if low < -1023 or high > 1023:
            raise LibjpegFailed("coefficients are out of range")


def rewrite_coefficients(data: bytes, *, transpose: bool, rearrange: Rearrange) -> bytes:
    """The JPEG `data` with the coefficients of every component put in new places by `rearrange`.

    With `transpose` the new picture's width is the old one's height. Only for sizes of whole MCUs. Raises
    LibjpegFailed; the file is then better decoded and encoded.
    """
    if not available():
        raise LibjpegFailed("libjpeg cannot be used")
    job = _Job(data, transpose, rearrange)
    threading.Thread(target=job.run, name="libjpeg", daemon=True).start()
    job.done.wait()
    if job.problem is not None:
        raise job.problem
    if job.result is None:
        raise LibjpegFailed("libjpeg gave no result")
    return job.result
