"""Write the weights that ship, nstfilter/models/pocket.npz, from the averages of both runs: the transformer's
as float16, the encoder's as whole numbers from -127 to 127 with a float16 step for each output channel.

python training/export.py
"""

import argparse
from pathlib import Path

import network
import numpy as np
import torch

RUNS = Path(__file__).parent / "runs"
SHIPPED = Path(__file__).parents[1] / "nstfilter" / "models" / "pocket.npz"


def colors_last(kernel: torch.Tensor, phases: int, axis: int) -> torch.Tensor:
    """PyTorch shuffles pixels as (channel, row, column); the runtime reads (row, column, channel)."""
    shape = list(kernel.shape)
    parts = [*shape[:axis], shape[axis] // phases, phases, *shape[axis + 1 :]]
    return kernel.reshape(parts).transpose(axis, axis + 1).reshape(shape)


def of_transformer(transformer: network.Transformer) -> dict[str, np.ndarray]:
    """The transformer's arrays, float32, without the map from embeddings to scales and shifts."""
    found: dict[str, torch.Tensor] = {}
    for i, layer in enumerate(transformer.front):
        found[f"front{i}.weight"], found[f"front{i}.bias"] = layer.weight, layer.bias
    for i, layer in enumerate(transformer.blocks):
        found[f"block{i}.weight"] = layer.weight
    found["front0.weight"] = colors_last(found["front0.weight"], 16, 1)
    found["up.weight"] = colors_last(transformer.up.weight, 4, 0)
    found["paint.weight"] = transformer.paint.weight
    found["out.weight"] = colors_last(transformer.out.weight, 4, 0)
    return {key: value.detach().cpu().numpy() for key, value in found.items()}


def of_encoder(encoder: network.Encoder) -> dict[str, np.ndarray]:
    """The encoder's arrays as stored: int8 with a float16 step for each output channel, or float16."""
    found: dict[str, torch.Tensor] = {}
    for s, stage in enumerate([*encoder.stages, encoder.last]):
        for k, unit in enumerate(stage):
            found[f"stage{s}.{k}.weight"], found[f"stage{s}.{k}.bias"] = unit.folded()
    found["stage0.0.weight"] = colors_last(found["stage0.0.weight"], 16, 1)
    found["answer.weight"] = encoder.answer.weight * encoder.spread
    found["answer.bias"] = encoder.answer.bias * encoder.spread + encoder.middle
    arrays = {key: value.detach().cpu().numpy() for key, value in found.items()}
    for key in [key for key in arrays if key.endswith("weight")]:
        largest = np.abs(arrays[key]).reshape(len(arrays[key]), -1).max(axis=1)
        step = np.maximum(largest / 127, 1e-7).astype(np.float16)
        rows = arrays[key] / step.astype(np.float32).reshape(-1, *(1,) * (arrays[key].ndim - 1))
        arrays[key] = np.rint(rows).clip(-127, 127).astype(np.int8)
        arrays[f"{key}.step"] = step
    return {key: a if a.dtype == np.int8 else a.astype(np.float16) for key, a in arrays.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--transformer", type=Path, default=RUNS / "transformer.pt")
    parser.add_argument("--encoder", type=Path, help="default: the encoder of the file that ships, as it is")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    args = parser.parse_args()
    transformer = network.Transformer()
    transformer.load_state_dict(torch.load(args.transformer, map_location="cpu")["ema"])
    arrays = {key: array.astype(np.float16) for key, array in of_transformer(transformer).items()}
    for name in ("weight", "bias"):
        arrays[f"style.{name}"] = getattr(transformer.style, name).detach().numpy().astype(np.float16)
    if args.encoder:
        arrays |= of_encoder(network.load_encoder(args.encoder))
    else:
        with np.load(SHIPPED) as file:
            arrays |= {name: file[name] for name in file.files if name.startswith(("stage", "answer"))}
    np.savez_compressed(args.out, **arrays)
    print(f"{args.out}: {args.out.stat().st_size / 2**20:.2f} MiB")


if __name__ == "__main__":
    main()
