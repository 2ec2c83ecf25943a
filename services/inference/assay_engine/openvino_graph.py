"""The detector as an OpenVINO graph whose weights are inputs, so that one compile serves every brand.

The graph is built from our architecture's own modules, layer by layer. OpenVINO's converter from PyTorch
traces with one brand's weights and takes seconds; here nothing is traced, and building takes milliseconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import openvino as ov
import torch
from openvino import opset13 as ops

PIXELS, WEIGHTS = "pixels", "weights"
"""Names of the inputs."""

Node = Any
"""A node of OpenVINO's graph: its Python package has no useful types."""


class Unbuildable(Exception):
    """The architecture has a layer that is not known here: PyTorch runs it."""


def build_graph(folded: torch.nn.Module) -> ov.Model:
    """The graph of a folded detector (`architecture.build_detector`), its boxes left undecoded.

    Inputs: `pixels`, uint8 (B, H, W, 3), H and W multiples of the stride; `weights`, all weights in fp16, one
    after another in the order of the module's `state_dict`: one buffer, so that changing the brand is one
    pointer. Outputs: of each level, fine to coarse, (B, h, w, 4 * bins + labels) in fp32: what
    `postprocess.find_detections_in_levels` takes. Raises Unbuildable.
    """
    return _Builder(folded).build()


class _Builder:
    """Walks a DetectionModel; one method a kind of layer."""

    def __init__(self, folded: Any) -> None:
        self._layers = folded.model
        self._names = {module: name for name, module in folded.named_modules()}
        shapes = {name: list(tensor.shape) for name, tensor in folded.state_dict().items()}
        sizes = [math.prod(shape) for shape in shapes.values()]
        self._weights = ops.parameter([sum(sizes)], ov.Type.f16, name=WEIGHTS)
        widened = ops.convert(self._weights, "f32")
        parts = ops.variadic_split(widened, _integers(0), _integers(sizes)).outputs()
        self._parts: dict[str, Node] = dict(zip(shapes, parts, strict=True))
        self._kinds: dict[str, Callable[[Any, Any], Node]] = {
            "Conv": self._conv,
            "C3": self._c3,
            "Bottleneck": self._bottleneck,
            "SPPF": self._sppf,
            "Upsample": self._upsample,
            "Concat": lambda layer, nodes: ops.concat(nodes, layer.d),
        }

    def build(self) -> ov.Model:
        pixels = ops.parameter([-1, -1, -1, 3], ov.Type.u8, name=PIXELS)
        channels_first = ops.transpose(ops.convert(pixels, "f32"), [0, 3, 1, 2])
        node = ops.multiply(channels_first, ops.constant(1 / 255, ov.Type.f32))
        nodes: list[Node] = []
        for layer in self._layers[:-1]:
            node = self._layer(layer, _inputs_of(layer, node, nodes))
            nodes.append(node)
        head = self._layers[-1]
        if type(head).__name__ != "Detect":
            raise Unbuildable(f"The head is {type(head).__name__}, not Detect")
        levels = [
            self._level(boxes, scores, feature)
            for boxes, scores, feature in zip(head.cv2, head.cv3, _inputs_of(head, node, nodes), strict=True)
        ]
        for parameter in (pixels, self._weights):
            parameter.output(0).set_names({parameter.friendly_name})
        return ov.Model(levels, [pixels, self._weights], "detector")

    def _level(self, boxes: Any, scores: Any, feature: Node) -> Node:
        both = ops.concat([self._layer(boxes, feature), self._layer(scores, feature)], 1)
        return ops.transpose(both, [0, 2, 3, 1])

    def _layer(self, layer: Any, node: Any) -> Node:
        if isinstance(layer, torch.nn.Sequential):
            for inner in layer:
                node = self._layer(inner, node)
            return node
        if isinstance(layer, torch.nn.Conv2d):
            return self._conv2d(layer, node)
        kind = self._kinds.get(type(layer).__name__)
        if kind is None:
            raise Unbuildable(f"No way to build a layer {type(layer).__name__}")
        return kind(layer, node)

    def _conv2d(self, conv: torch.nn.Conv2d, node: Node) -> Node:
        if conv.groups != 1 or conv.bias is None or isinstance(conv.padding, str):
            raise Unbuildable(f"No way to build {conv}")
        name = self._names[conv]
        pads = list(conv.padding)
        weight = self._weight(f"{name}.weight", list(conv.weight.shape))
        bias = self._weight(f"{name}.bias", [1, conv.out_channels, 1, 1])
        product = ops.convolution(node, weight, list(conv.stride), pads, pads, list(conv.dilation))
        return ops.add(product, bias)

    def _weight(self, name: str, shape: list[int]) -> Node:
        return ops.reshape(self._parts[name], _integers(shape), False)

    def _conv(self, layer: Any, node: Node) -> Node:
        product = self._conv2d(layer.conv, node)
        if isinstance(layer.act, torch.nn.Identity):
            return product
        if not isinstance(layer.act, torch.nn.SiLU):
            raise Unbuildable(f"No way to build the activation {layer.act}")
        return ops.swish(product)

    def _c3(self, layer: Any, node: Node) -> Node:
        both = [self._layer(layer.m, self._conv(layer.cv1, node)), self._conv(layer.cv2, node)]
        return self._conv(layer.cv3, ops.concat(both, 1))

    def _bottleneck(self, layer: Any, node: Node) -> Node:
        inner = self._conv(layer.cv2, self._conv(layer.cv1, node))
        return ops.add(node, inner) if layer.add else inner

    def _sppf(self, layer: Any, node: Node) -> Node:
        side, pad = layer.m.kernel_size, layer.m.padding
        pooled = [self._conv(layer.cv1, node)]
        for _ in range(layer.n):
            pool = ops.max_pool(pooled[-1], [1, 1], [1, 1], [pad, pad], [pad, pad], [side, side])
            pooled.append(pool.output(0))
        outcome = self._conv(layer.cv2, ops.concat(pooled, 1))
        return ops.add(outcome, node) if layer.add else outcome

    def _upsample(self, layer: Any, node: Node) -> Node:
        if layer.mode != "nearest":
            raise Unbuildable(f"No way to upsample by {layer.mode}")
        scales = ops.constant([layer.scale_factor] * 2, ov.Type.f32)
        return ops.interpolate(
            node,
            scales,
            mode="nearest",
            shape_calculation_mode="scales",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
            axes=_integers([2, 3]),
        )


def _inputs_of(layer: Any, last: Node, nodes: list[Node]) -> Any:
    """What a layer takes: the node before it, or those that its `from` names, as in ultralytics' forward."""
    if isinstance(layer.f, int):
        return last if layer.f == -1 else nodes[layer.f]
    return [last if place == -1 else nodes[place] for place in layer.f]


def _integers(values: int | list[int]) -> Node:
    return ops.constant(values, ov.Type.i64)
