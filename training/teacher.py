"""The teacher, magenta-mobile, replayed in PyTorch from the file that export_teacher.py wrote.

Pictures are float RGB in [0, 1], [n, 3, h, w]; embeddings are [n, 100]. Everything is differentiable.

    python training/teacher.py        # proves that the replay equals TensorFlow
"""

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

Tensor = torch.Tensor
EXPORT = Path(__file__).parent / "runs" / "teacher.npz"


def _same(x: Tensor, kernel: int, stride: int) -> Tensor:
    """TensorFlow's SAME padding, which is lopsided for even sizes and stride 2."""
    pads = []
    for size in (x.shape[3], x.shape[2]):
        total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
        pads += [total // 2, total - total // 2]
    return F.pad(x, pads) if any(pads) else x


class Teacher(torch.nn.Module):
    """Replays the frozen graph. `embed` and `stylize` are its two halves, cut at the bottleneck."""

    def __init__(self, path: Path = EXPORT) -> None:
        super().__init__()
        data = np.load(path)
        graph = json.loads(str(data["graph"]))
        self.example = {
            key: torch.from_numpy(data[f"example_{key}"]) for key in ("content", "style", "output")
        }
        self.content, self.style, self.output = graph["content"], graph["style"], graph["output"]
        self.operations = graph["operations"]
        keys = graph["constants"]
        self.small = {}  # paddings, axes, epsilons: plain numbers, not weights
        kernels = {
            op["inputs"][1] for op in self.operations if op["op"] in ("Conv2D", "DepthwiseConv2dNative")
        }
        depthwise = {op["inputs"][1] for op in self.operations if op["op"] == "DepthwiseConv2dNative"}
        for name, key in keys.items():
            value = data[key]
            if name in kernels:
                axes = (2, 3, 0, 1) if name in depthwise else (3, 2, 0, 1)
                weight = torch.from_numpy(np.ascontiguousarray(value.transpose(axes)))
                self.register_buffer(key, weight.contiguous(memory_format=torch.channels_last))
            elif value.dtype == np.float32 and value.ndim == 1:
                self.register_buffer(key, torch.from_numpy(value.copy()).view(1, -1, 1, 1))
            else:
                self.small[name] = value
        self.keys = keys
        self.bottleneck = self._find_bottleneck()
        self._plans: dict = {}

    def _find_bottleneck(self) -> str:
        """The last tensor of the style branch before it fans out into scales and shifts."""
        depends: dict[str, set[str]] = {}
        for op in self.operations:
            own = {op["name"]} if op["op"] == "Placeholder" else set()
            depends[op["name"]] = own.union(*(depends.get(i, set()) for i in op["inputs"]))
        users: dict[str, list] = {}
        for op in self.operations:
            for i in op["inputs"]:
                users.setdefault(i, []).append(op)
        pure = [op["name"] for op in self.operations if depends[op["name"]] == {self.style}]
        return max(pure, key=lambda name: len(users.get(name, [])))

    def _constant(self, name: str):
        return self.small[name] if name in self.small else getattr(self, self.keys[name])

    def _plan(self, wanted: tuple[str, ...], given: tuple[str, ...]) -> tuple[list[dict], dict[str, int]]:
        """Operations needed for `wanted` when `given` are known, and how often each value is read."""
        if (wanted, given) not in self._plans:
            by_name = {op["name"]: op for op in self.operations}
            needed, stack = set(), list(wanted)
            while stack:
                name = stack.pop()
                if name in by_name and name not in needed and name not in given:
                    needed.add(name)
                    stack += by_name[name]["inputs"]
            plan = [op for op in self.operations if op["name"] in needed]
            reads: dict[str, int] = {}
            for op in plan:
                for i in op["inputs"]:
                    reads[i] = reads.get(i, 0) + 1
            self._plans[wanted, given] = plan, reads
        return self._plans[wanted, given]

    def run(self, feeds: dict[str, Tensor], wanted: list[str]) -> list[Tensor]:
        plan, reads = self._plan(tuple(wanted), tuple(feeds))
        values, left = dict(feeds), dict(reads)
        for op in plan:
            arguments = [values[i] if i in values else self._constant(i) for i in op["inputs"]]
            values[op["name"]] = self._replay(op, arguments)
            for i in op["inputs"]:  # let go of what nobody reads any more
                left[i] -= 1
                if not left[i] and i not in wanted:
                    values.pop(i, None)
        return [values[name] for name in wanted]

    @staticmethod
    def _replay(op: dict, a: list) -> Tensor:  # noqa: PLR0911
        match op["op"]:
            case "Conv2D" | "DepthwiseConv2dNative":
                stride = op["strides"][1]
                x = _same(a[0], a[1].shape[2], stride) if op["padding"] == "SAME" else a[0]
                groups = x.shape[1] if op["op"].startswith("Depthwise") else 1
                return F.conv2d(x, a[1], stride=stride, groups=groups)
            case "AddV2":
                return a[0] + (float(a[1]) if isinstance(a[1], np.ndarray) else a[1])
            case "Mul":
                return a[0] * a[1]
            case "Sub":
                return a[0] - a[1]
            case "SquaredDifference":
                return (a[0] - a[1]).square()
            case "Mean":
                return a[0].mean((2, 3), keepdim=True)
            case "Rsqrt":
                return a[0].rsqrt()
            case "Relu":
                return F.relu(a[0])
            case "Relu6":
                return F.relu6(a[0])
            case "Sigmoid":
                return torch.sigmoid(a[0])
            case "ResizeNearestNeighbor":
                return F.interpolate(a[0], scale_factor=2, mode="nearest")
            case "MirrorPad":
                (top, bottom), (left, right) = a[1][1].tolist(), a[1][2].tolist()
                return F.pad(a[0], (left, right, top, bottom), mode="reflect")
        raise NotImplementedError(op["op"])

    def embed(self, picture: Tensor, also: tuple[str, ...] = ()) -> Tensor | list[Tensor]:
        """[n, 3, 256, 256] -> [n, 100]; with `also`, a list with those inner tensors after it."""
        z, *rest = self.run({self.style: picture}, [self.bottleneck, *also])
        z = z.flatten(1)
        return [z, *rest] if also else z

    def stylize(self, picture: Tensor, z: Tensor, also: tuple[str, ...] = ()) -> Tensor | list[Tensor]:
        """[n, 3, h, w] and [n, 100] -> [n, 3, h, w], h and w multiples of 4."""
        feeds = {self.content: picture, self.bottleneck: z[:, :, None, None]}
        out, *rest = self.run(feeds, [self.output, *also])
        return [out, *rest] if also else out

    def _names(self, branch: str, kind: str) -> list[str]:
        plan, _ = self._plan((branch,), ())
        return [op["name"] for op in plan if op["op"] == kind]

    def trunk_names(self) -> list[str]:
        """The 32-channel quarter-size maps: after the front, then after each of the five residual blocks."""
        plan, _ = self._plan((self.output,), (self.bottleneck,))
        relus = [op["name"] for op in plan if op["op"] == "Relu"]
        by_name = {op["name"]: op for op in plan}
        names = [relus[2]]
        for op in plan:  # a skip connection is the sum with what the last one gave
            if op["op"] == "AddV2" and names[-1] in op["inputs"] and op["inputs"][1] in by_name:
                names.append(op["name"])
        return names

    def places(self, last: Tensor) -> Tensor:
        """What each place of the predictor's last map says of the style, [n, 100, 8, 8]: the embedding is
        their mean, for what follows the predictor's pooling is linear."""
        plan, _ = self._plan((self.bottleneck,), ())
        pooled = next(op["name"] for op in plan if op["op"] == "Mean")
        return self.run({pooled: last}, [self.bottleneck])[0]

    def predictor_names(self) -> list[str]:
        """Outputs of the predictor's seventeen bottleneck blocks and of its last convolution."""
        plan, _ = self._plan((self.bottleneck,), ())
        by_name = {op["name"]: op for op in plan}
        names = []
        for op in plan:
            if op["op"] in ("Conv2D", "Mean"):
                names.append(by_name[op["inputs"][0]]["name"])
        return names


def load(device: str | torch.device = "cpu", path: Path = EXPORT) -> Teacher:
    teacher = Teacher(path).to(device).eval().requires_grad_(False)
    return teacher


def main() -> None:
    teacher = load()
    content = teacher.example["content"].permute(0, 3, 1, 2)
    style = teacher.example["style"].permute(0, 3, 1, 2)
    with torch.no_grad():
        out = teacher.stylize(content, teacher.embed(style)).permute(0, 2, 3, 1)
    difference = (out - teacher.example["output"]).abs().max().item()
    print(f"bottleneck {teacher.bottleneck}; largest difference from TensorFlow {difference:.2e}")
    if difference > 1e-4:
        raise SystemExit("the replay does not equal TensorFlow")


if __name__ == "__main__":
    main()
