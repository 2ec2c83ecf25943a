"""What decoding and suppression cost beside computing, in a batch: `python -m bench.postprocess`.

BENCH_BATCH (16) pictures of 4:3 through OpenVINO in f32 on one thread, as in a worker; the same levels then
go through `find_detections_in_levels` alone.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import openvino as ov
import torch

from assay_engine.openvino_network import Network
from assay_engine.probe import ARCHITECTURE, LABELS, make_probe
from assay_shared.detector.postprocess import find_detections_in_levels
from assay_shared.detector.weights import read_flat_weights

BATCH = int(os.environ.get("BENCH_BATCH", "16"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "10"))


def main() -> int:
    """Measures and prints processor time, which other work on the machine does not change much."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        probe = make_probe(Path(name))
        network = Network(ov.Core(), ARCHITECTURE, LABELS, "f32", 1)
        weights = ov.Tensor(read_flat_weights(probe.weights, network.shapes))
    pictures = np.repeat(probe.pictures[:1, 80:560], BATCH, axis=0)
    projection = np.arange(16, dtype=np.float32)
    whole, after, found = [], [], 0
    for _ in range(ROUNDS):
        started = time.process_time()
        levels = network.compute(weights, pictures, lambda levels: [level.copy() for level in levels])
        between = time.process_time()
        detections = find_detections_in_levels(levels, projection, network.strides)
        after.append(time.process_time() - between)
        whole.append(time.process_time() - started)
        found = sum(len(one) for one in detections)
    share = sum(after) / sum(whole)
    print(f"{BATCH} pictures, {found} detections: {min(whole) * 1e3:.1f} ms of one core in all, of which")
    print(f"decoding and suppression {min(after) * 1e3:.1f} ms ({share:.1%})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
