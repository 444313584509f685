"""Is the eye good for what it is for? Compares losses through it with losses through the perceptual teacher.

    python training/check_eye.py --shared ../shared [--gatys gatys.png]

agree   rank correlation (Spearman) of style losses through both, over held-out photographs, what pocket makes
        of them at three strengths, and bare palette transfers, for each held-out style; the mean over styles.
        The same of content losses, over the same pictures for each photograph
gatys   a picture of Gatys' way on the pixels through the eye, from noise and from the photograph: clean, or
not
"""

import argparse
from pathlib import Path

import cv2
import data
import numpy as np
import perceptual
import torch
from train_base import RUNS, square

from nstfilter import StyleFilter
from nstfilter.models.pocket import PocketModel

Tensor = torch.Tensor


def ranks(values: list[float]) -> np.ndarray:
    return np.argsort(np.argsort(values)).astype(float)


def palette_transfer(photo: np.ndarray, style: np.ndarray) -> np.ndarray:
    """The photograph with the style's mean and deviation in each channel of Lab (Reinhard et al. 2001)."""
    a, b = (cv2.cvtColor(x, cv2.COLOR_BGR2LAB).astype(np.float32) for x in (photo, style))
    out = (a - a.mean((0, 1))) / (a.std((0, 1)) + 1e-3) * b.std((0, 1)) + b.mean((0, 1))
    return cv2.cvtColor(out.clip(0, 255).astype(np.uint8), cv2.COLOR_LAB2BGR)


def tensor(picture: np.ndarray) -> Tensor:
    x = torch.from_numpy(np.ascontiguousarray(picture[..., ::-1])).permute(2, 0, 1)[None].float() / 255
    return x.contiguous(memory_format=torch.channels_last)


def gatys(eye: torch.nn.Module, start: Tensor, photo: Tensor, style: Tensor, steps: int, c: float) -> Tensor:
    x = start.clone().requires_grad_()
    with torch.no_grad():
        wanted = [perceptual.gram(m) for m in eye(style)]
        own = eye(photo, last=3)[2]
    optimizer = torch.optim.Adam([x], lr=0.03)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 0.03 * (1 - step / steps) + 1e-3
        maps = eye(x)
        loss = perceptual.style_loss([perceptual.gram(m) for m in maps], wanted).mean()
        if c:
            loss = loss + c * perceptual.content_loss(maps[2], own).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            x.clamp_(0, 1)
    return x.detach()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    parser.add_argument("--run", type=Path, default=RUNS / "eye.pt")
    parser.add_argument("--gatys", type=Path)
    parser.add_argument("--steps", type=int, default=120)
    args = parser.parse_args()
    torch.set_num_threads(1)
    vgg = perceptual.Vgg16x(args.shared / "models" / "vgg-16x" / "e4.npz")
    eye = perceptual.Eye()
    eye.load_state_dict(torch.load(args.run)["ema"])
    eye.requires_grad_(False)
    photos = [data.read(p)[..., ::-1] for p in data.content_paths(args.shared, held_out=True)[::15]]
    photos = [cv2.resize(np.ascontiguousarray(p), (256, 256)) for p in photos]
    styles = [data.read(p)[..., ::-1] for p in data.style_paths(args.shared, held_out=True)]
    pocket = PocketModel(threads=1)
    agree: dict[str, list[float]] = {"style": [], "content": []}
    contents: dict[int, list[list[float]]] = {k: [[], []] for k in range(len(photos))}
    with torch.no_grad():
        for style in styles:
            wanted = [[perceptual.gram(m) for m in net(tensor(square(style, 384)))] for net in (vgg, eye)]
            paint = StyleFilter(np.ascontiguousarray(style), model=pocket)
            losses: list[list[float]] = [[], []]
            for k, photo in enumerate(photos):
                made = [photo, palette_transfer(photo, square(style, 256))]
                for paint.strength in (0.4, 0.7, 1.0):
                    made.append(paint(photo))
                for picture in made:
                    for n, net in enumerate((vgg, eye)):
                        maps = net(tensor(picture))
                        loss = perceptual.style_loss([perceptual.gram(m) for m in maps], wanted[n])
                        losses[n].append(float(loss))
                        own = net(tensor(photo), last=3)[2]
                        contents[k][n].append(float(perceptual.content_loss(maps[2], own)))
            agree["style"].append(np.corrcoef(ranks(losses[0]), ranks(losses[1]))[0, 1])
        for pair in contents.values():
            agree["content"].append(np.corrcoef(ranks(pair[0]), ranks(pair[1]))[0, 1])
    for name, values in agree.items():
        print(f"{name:8} rank correlation {np.mean(values):.3f}, worst {np.min(values):.3f}")
    if args.gatys:
        photo, style = tensor(photos[2]), tensor(square(styles[0], 256))
        torch.manual_seed(0)
        rows = []
        for net in (vgg, eye):
            noise = gatys(net, 0.5 + 0.1 * torch.randn_like(photo), photo, style, args.steps, 0.0)
            rows.append(torch.cat([photo, style, noise, gatys(net, photo, photo, style, args.steps, 0.1)], 3))
        image = (torch.cat(rows, 2)[0].clamp(0, 1) * 255).byte().permute(1, 2, 0).numpy()
        cv2.imwrite(str(args.gatys), image[..., ::-1])


if __name__ == "__main__":
    main()
