"""A style network as one flat graph, cut in two where the style passes through a single small tensor.

    content ──────────────────────────┐
                                      ├─> transformer ─> output
    style ─> predictor ─> bottleneck ─┘

Cut there, the predictor runs once for a style and the transformer once for a frame. The place is found by
the graph's structure: names differ from one export to the next. Ghiasi et al. 2017 (arXiv 1705.06830)
describe the network of the published model; its bottleneck is 100 numbers.
"""

from __future__ import annotations

import contextlib
import zipfile
from collections import defaultdict
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from nstfilter.errors import ModelError
from nstfilter.files import NewFile
from nstfilter.models.tensorflow import tf

STYLE_SIZE = 256
# more numbers than this are a picture, not an embedding
_LARGEST_BOTTLENECK = STYLE_SIZE * STYLE_SIZE * 3 // 16


@dataclass(frozen=True, slots=True)
class Network:
    """A frozen graph (`tf.compat.v1.GraphDef`) and the names of its tensors.

    Pictures are float32 RGB in [0, 1], [1, h, w, 3]; a style is [1, 256, 256, 3]. Where no bottleneck was
    found `bottleneck` is the style picture itself, and `cut` is False. `shape` is that of the bottleneck.
    """

    graph: Any
    content: str
    style: str
    output: str
    bottleneck: str
    shape: tuple[int, ...]

    @property
    def cut(self) -> bool:
        return self.bottleneck != self.style

    def embed(self, style: Any) -> Any:
        """The bottleneck's value for `style`."""
        if not self.cut:
            return style
        return _run(self.graph, {self.style: style}, self.bottleneck)

    def stylize(self, content: Any, bottleneck: Any) -> Any:
        """The painted content."""
        return _run(self.graph, {self.content: content, self.bottleneck: bottleneck}, self.output)


def load(folder: Path, cached: Path) -> Network:
    """As `freeze`, read from the file `cached` where that is whole, and kept there where it is not."""
    try:
        with np.load(cached, allow_pickle=False) as file:
            content, style, output, bottleneck = map(str, file["names"])
            graph = tf.compat.v1.GraphDef.FromString(file["graph"].tobytes())
            return Network(graph, content, style, output, bottleneck, tuple(file["shape"].tolist()))
    except (OSError, EOFError, KeyError, TypeError, ValueError, zipfile.BadZipFile, DecodeError):
        network = freeze(folder)
    # a cache that cannot be written costs time, not the picture
    with contextlib.suppress(OSError):
        cached.parent.mkdir(parents=True, exist_ok=True)
        with NewFile(cached) as file:
            graph = np.frombuffer(network.graph.SerializeToString(), np.uint8)
            names = [network.content, network.style, network.output, network.bottleneck]
            np.savez(file, graph=graph, names=names, shape=network.shape)
    return network


def freeze(folder: Path) -> Network:
    """Load the SavedModel in `folder`, make its variables constants, and find where to cut it.

    Raises `ModelError` when it is no SavedModel, or none that paints one picture in the style of another.
    """
    try:
        # held until it is frozen: the functions in it do not own their variables
        loaded = tf.saved_model.load(str(folder))
    except Exception as error:  # whatever a damaged file makes TensorFlow raise
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
        raise ModelError(
            f"{folder} cannot be loaded as a SavedModel ({reason}); download it again, all of its files"
        ) from error
    signatures = getattr(loaded, "signatures", {})
    signature = signatures.get("serving_default") or next(iter(signatures.values()), None)
    _check_signature(folder, signature)

    # the one private import: TensorFlow has no public way to freeze a function of nested functions
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    frozen = convert_variables_to_constants_v2(signature, lower_control_flow=False, aggressive_inlining=True)
    graph = frozen.graph.as_graph_def()
    for node in graph.node:
        # inlining ties everything to both inputs with control edges; with them nothing can be cut
        data = [name for name in node.input if not name.startswith("^")]
        del node.input[:]
        node.input.extend(data)
        node.attr.pop("_class", None)
    _check_weights(folder, graph)

    output = frozen.outputs[0].name
    content, style, tensors = _orient(folder, graph, [tensor.name for tensor in frozen.inputs], output)
    small = [t for t in single_tensors(graph, content, style, output) if _is_small(tensors[t])]
    bottleneck = small[-1] if small else style
    return Network(graph, content, style, output, bottleneck, tuple(tensors[bottleneck].shape.as_list()))


def single_tensors(graph: Any, content: str, style: str, output: str) -> list[str]:
    """The tensors that depend on `style` and not on `content` and without any of which `style` would not
    reach `output`, in order of computation."""
    inputs = {node.name: list(node.input) for node in graph.node}
    users: dict[str, list[str]] = defaultdict(list)
    for name, tensors in inputs.items():
        for tensor in tensors:
            users[_node(tensor)].append(name)
    parents = {name: [_node(t) for t in tensors] for name, tensors in inputs.items()}
    between = _reach(users, _node(style)) & _reach(parents, _node(output))
    of_content = _reach(users, _node(content))

    order = [name for name in TopologicalSorter(parents).static_order() if name in between]
    position = {name: i for i, name in enumerate(order)}
    found = []
    furthest = 0  # the last position that an edge from an earlier node leads to
    for i, name in enumerate(order):
        following = [user for user in users[name] if user in between]
        # when no edge leaps over it, every way from style to output leads through this node
        if furthest <= i and name not in of_content and name != _node(style):
            used = {_tensor(t) for user in following for t in inputs[user] if _node(t) == name}
            if len(used) == 1:
                found.append(used.pop())
        furthest = max([furthest, *(position[user] for user in following)])
    return found


def _check_signature(folder: Path, signature: Any) -> None:
    if signature is None:
        raise ModelError(f"{folder} is a SavedModel without a signature; expected one called serving_default")
    inputs = signature.structured_input_signature[1]
    outputs = signature.structured_outputs
    if len(inputs) != 2 or len(outputs) != 1:
        raise ModelError(
            f"{folder} is no style model: it takes {len(inputs)} inputs ({', '.join(sorted(inputs))}) "
            f"and gives {len(outputs)}; expected a content and a style picture in, one picture out"
        )
    for name, spec in sorted({**inputs, **outputs}.items()):
        if spec.dtype != tf.float32 or not spec.shape.is_compatible_with([1, None, None, 3]):
            raise ModelError(
                f"{folder} is no style model: {name!r} is {spec.dtype.name} {spec.shape}; "
                "expected float32 pictures, [1, height, width, 3]"
            )


def _check_weights(folder: Path, graph: Any) -> None:
    for node in graph.node:
        is_float = node.op == "Const" and node.attr["dtype"].type == tf.float32.as_datatype_enum
        if is_float and not np.isfinite(tf.make_ndarray(node.attr["value"].tensor)).all():
            raise ModelError(
                f"the weights of {folder} are damaged: {node.name} is not finite; download it again"
            )


def _orient(folder: Path, graph: Any, inputs: list[str], output: str) -> tuple[str, str, dict[str, Any]]:
    """Which input is content and which is style, and a sample of every tensor, for its shape.

    The output has the content's size: two sizes that differ tell the inputs apart, whatever their names.
    """
    size = (64, 96)
    if "style" in inputs[0].lower() or "content" in inputs[1].lower():
        inputs = inputs[::-1]
    for content, style in (inputs, inputs[::-1]):
        with tf.Graph().as_default() as trial:
            feeds = {
                content: tf.compat.v1.placeholder(tf.float32, [1, *size, 3]),
                style: tf.compat.v1.placeholder(tf.float32, [1, STYLE_SIZE, STYLE_SIZE, 3]),
            }
            try:
                painted = _run(graph, feeds, output)
            except ValueError:  # these shapes do not fit
                continue
            if painted.shape.is_compatible_with([1, *size, 3]):
                prefix = painted.name.removesuffix(output)
                tensors = {
                    tensor.name.removeprefix(prefix): tensor
                    for operation in trial.get_operations()
                    for tensor in operation.outputs
                }
                return content, style, {**tensors, style: feeds[style]}
    raise ModelError(
        f"{folder} is no style model: with a style of {STYLE_SIZE}x{STYLE_SIZE} "
        "a content picture of 96x64 does not become a painting of 96x64"
    )


def _is_small(tensor: Any) -> bool:
    count = tensor.shape.num_elements()
    return tensor.dtype == tf.float32 and count is not None and 0 < count <= _LARGEST_BOTTLENECK


def _run(graph: Any, feeds: dict[str, Any], fetch: str) -> Any:
    """The part of `graph` that computes `fetch` from `feeds`, added to the function being traced."""
    nodes = {node.name: node for node in graph.node}
    parents = {
        name: [_node(t) for t in node.input if _tensor(t) not in feeds] for name, node in nodes.items()
    }
    part = tf.compat.v1.GraphDef(versions=graph.versions, library=graph.library)
    part.node.extend(nodes[name] for name in _reach(parents, _node(fetch)))
    needed = {_tensor(t) for node in part.node for t in node.input}
    result = tf.graph_util.import_graph_def(
        part, {name: tensor for name, tensor in feeds.items() if name in needed}, [fetch]
    )
    return result[0]


def _reach(edges: dict[str, list[str]], start: str) -> set[str]:
    reached, waiting = set(), [start]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += edges.get(name, [])
    return reached


def _node(tensor: str) -> str:
    return tensor.partition(":")[0]


def _tensor(name: str) -> str:
    return name if ":" in name else f"{name}:0"
