"""Write the eye that ships, nstfilter/models/eye.npz, from the average of a run of train_eye.py, as float16.

python training/export_eye.py
"""

import argparse
from pathlib import Path

import numpy as np
import torch

RUNS = Path(__file__).parent / "runs"
SHIPPED = Path(__file__).parents[1] / "nstfilter" / "models" / "eye.npz"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=Path, default=RUNS / "eye.pt")
    parser.add_argument("--out", type=Path, default=SHIPPED)
    args = parser.parse_args()
    state = torch.load(args.run, map_location="cpu")["ema"]
    arrays = {
        key.replace("stages.", "stage"): value.numpy().astype(np.float16) for key, value in state.items()
    }
    np.savez_compressed(args.out, **arrays)
    print(f"{args.out}: {args.out.stat().st_size / 2**20:.2f} MiB")


if __name__ == "__main__":
    main()
