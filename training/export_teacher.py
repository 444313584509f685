"""Export the teacher (magenta-mobile) once, as a list of operations that PyTorch can replay.

This is the only training script that needs TensorFlow:

    python training/export_teacher.py --shared ../shared

It writes `training/runs/teacher.npz`: the weights, and beside them the graph as JSON. `training/teacher.py`
reads that file, so everything after it runs with PyTorch alone.
"""

import argparse
import json
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import tensor_util
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

ATTRIBUTES = ("strides", "padding", "dilations")


def freeze(model: Path) -> tuple[tf.compat.v1.GraphDef, str, str, str, object]:
    """Return the flat graph and the names of its content input, style input and output."""
    loaded = tf.saved_model.load(str(model))
    signature = loaded.signatures["serving_default"]
    frozen = convert_variables_to_constants_v2(signature, aggressive_inlining=True)
    names = {}
    for tensor in frozen.inputs:
        name = tensor.name.split(":")[0]
        names["style" if name.endswith("_1") else "content"] = name
    return frozen.graph.as_graph_def(), names["content"], names["style"], frozen.outputs[0].name, signature


def flatten(graph, output: str) -> tuple[list[dict], dict[str, np.ndarray], str]:
    """List the operations that lead to `output`, in order, with Identity nodes removed."""
    nodes = {node.name: node for node in graph.node}

    def source(name: str) -> str:
        name = name.partition(":")[0]
        while nodes[name].op == "Identity":
            name = nodes[name].input[0].partition(":")[0]
        return name

    operations: list[dict] = []
    constants: dict[str, np.ndarray] = {}
    done: set[str] = set()

    def visit(name: str) -> None:
        if name in done:
            return
        done.add(name)
        node = nodes[name]
        if node.op == "Const":
            constants[name] = tensor_util.MakeNdarray(node.attr["value"].tensor)
            return
        inputs = [source(i) for i in node.input if not i.startswith("^")]
        if node.op == "ResizeNearestNeighbor":  # always by two here: its size operand needs no replay
            inputs = inputs[:1]
        for i in inputs:
            visit(i)
        record = {"name": name, "op": node.op, "inputs": inputs}
        for key in ATTRIBUTES:
            if key in node.attr:
                value = node.attr[key]
                record[key] = value.s.decode() if key == "padding" else list(value.list.i)
        operations.append(record)

    last = source(output)
    visit(last)
    return operations, constants, last


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--out", type=Path, default=Path("training/runs/teacher.npz"))
    args = parser.parse_args()
    graph, content, style, output, signature = freeze(args.shared / "models" / "magenta-mobile")
    operations, constants, last = flatten(graph, output)

    # One worked example travels along, so that teacher.py can prove itself without TensorFlow.
    random = np.random.default_rng(0)
    example_content = random.uniform(size=(1, 64, 96, 3)).astype(np.float32)
    example_style = random.uniform(size=(1, 256, 256, 3)).astype(np.float32)
    example_output = signature(**{content: tf.constant(example_content), style: tf.constant(example_style)})
    example_output = next(iter(example_output.values())).numpy()
    index = {name: f"c{i}" for i, name in enumerate(constants)}
    meta = {"content": content, "style": style, "output": last, "operations": operations, "constants": index}
    args.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez(
        args.out,
        graph=np.array(json.dumps(meta)),
        example_content=example_content,
        example_style=example_style,
        example_output=example_output,
        **{index[name]: value for name, value in constants.items()},
    )
    print(f"{args.out}: {len(operations)} operations, {len(constants)} constants")


if __name__ == "__main__":
    main()
