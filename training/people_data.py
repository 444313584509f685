"""Pictures with people, the teacher's masks for them, and composites whose mask is known. RGB throughout.

The teacher is MediaPipe's selfie segmentation. Its masks are computed once and kept under the run's folder.
"""

import csv
import math
from functools import cache
from pathlib import Path

import cv2
import numpy as np

SHAPES = ((224, 224), (192, 256), (160, 288), (256, 192), (288, 160))
"""Heights and widths that the network learns at: about 48,000 pixels each."""
SMALL = ((160, 160), (128, 192), (128, 224), (192, 128), (224, 128))
"""The same shapes at about half the pixels: what it learns at first, at twice the pace."""
SHAPE_WEIGHTS = (0.3, 0.2, 0.25, 0.15, 0.1)
OBJECTS = Path(__file__).parent / "people_objects.txt"
CROPS = "head-shoulder-crop"


class Teacher:
    """MediaPipe's selfie segmentation in LiteRT: the square model, and the one for landscape pictures."""

    def __init__(self, shared: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self.models = []
        for name in ("selfie_segmentation", "selfie_segmentation_landscape"):
            model = Interpreter(str(shared / "models" / "selfie" / f"{name}.tflite"), num_threads=1)
            model.allocate_tensors()
            self.models.append(model)

    def run(self, picture: np.ndarray, landscape: bool = False) -> np.ndarray:
        """HxWx3 uint8 -> HxW float32 in [0, 1]. The whole picture is squeezed to the model's size."""
        model = self.models[landscape]
        entry, answer = model.get_input_details()[0], model.get_output_details()[0]
        height, width = entry["shape"][1:3]
        shrink = picture.shape[0] > height and picture.shape[1] > width
        small = cv2.resize(
            picture, (width, height), interpolation=cv2.INTER_AREA if shrink else cv2.INTER_LINEAR
        )
        model.set_tensor(entry["index"], (small.astype(np.float32) / 255)[None])
        model.invoke()
        mask = model.get_tensor(answer["index"])[0, ..., 0]
        return cv2.resize(mask, picture.shape[1::-1], interpolation=cv2.INTER_LINEAR)

    def mean(self, picture: np.ndarray) -> tuple[np.ndarray, float]:
        """The mean of what it says of the picture as it is, mirrored, and at another shape; and how much
        those agree (the smallest intersection over union with their mean, 1 where all are empty)."""
        mirrored = np.ascontiguousarray(picture[:, ::-1])
        masks = [self.run(picture), self.run(mirrored)[:, ::-1]]
        height, width = picture.shape[:2]
        if width >= height:
            masks += [self.run(picture, True), self.run(mirrored, True)[:, ::-1]]
        else:
            left = (height - width) // 2
            right = height - width - left
            square = cv2.copyMakeBorder(picture, 0, 0, left, right, cv2.BORDER_REPLICATE)
            masks.append(self.run(square)[:, left : left + width])
        mean = np.mean(masks, axis=0)
        return mean, min(overlap(mask, mean) for mask in masks)


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two masks in [0, 1], at one half; 1 where both are empty."""
    a, b = one > 0.5, other > 0.5
    either = np.count_nonzero(a | b)
    return np.count_nonzero(a & b) / either if either else 1.0


def fitting_shape(picture: np.ndarray) -> tuple[int, int]:
    """That of SHAPES which is closest to the picture's own."""
    ratio = picture.shape[0] / picture.shape[1]
    return min(SHAPES, key=lambda shape: abs(math.log(shape[0] / shape[1] / ratio)))


def read(path: Path) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(path), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def held_out(shared: Path) -> tuple[list[Path], list[Path]]:
    """Every tenth picture of people and of backgrounds: never trained on, nor is another crop of the same."""
    people, rooms = (sorted((shared / "data" / kind).glob("*.jpg")) for kind in ("people", "backgrounds"))
    return people[::10], rooms[::10]


def people_paths(shared: Path) -> dict[Path, float]:
    """Pictures to learn from, and how often each is taken: head-and-shoulder crops are half of them all, and
    taken less often than the rest."""
    with open(shared / "data" / "people" / "index.csv", encoding="utf-8") as file:
        index = {row["file"]: row for row in csv.DictReader(file)}
    away, _ = held_out(shared)
    originals = {(index[p.name]["source"], index[p.name]["original"]) for p in away}
    folder = shared / "data" / "people"
    return {
        folder / name: 0.5 if row["kind"] == CROPS else 1.0
        for name, row in sorted(index.items())
        if (row["source"], row["original"]) not in originals
    }


def empty_paths(shared: Path, share: dict[Path, float]) -> dict[Path, float]:
    """Pictures without people, and how often each is taken: rooms and streets; photographs in which the
    teacher sees nothing; and objects (listed by hand) and animals in which it sees people wrongly."""
    _, away = held_out(shared)
    found = {p: 2.0 for p in sorted((shared / "data" / "backgrounds").glob("*.jpg")) if p not in away}
    listed = [line.split("#")[0].split() for line in OBJECTS.read_text().splitlines()]
    words = {words[0].rstrip(":"): set(words[1:]) for words in listed if words}
    for path in sorted((shared / "data" / "content").glob("*.jpg")):
        number = path.stem
        if number in words["objects"] or (number < "0398" and number not in words["with_people"]):
            found[path] = 0.4 if number < "0398" else 1.0
        elif number >= "0398" and share[path] < 0.01:
            found[path] = 1.0
    return found


class Material:
    """Everything that is learned from, read once and kept: pictures, targets, cut-outs and empty scenes."""

    def __init__(self, shared: Path, cache_folder: Path) -> None:
        self.shared, self.folder = shared, cache_folder
        self.folder.mkdir(parents=True, exist_ok=True)
        folders = [shared / "data" / kind for kind in ("people", "backgrounds", "content")]
        self.agreement = teach(shared, self.folder, [p for f in folders for p in sorted(f.glob("*.jpg"))])
        share = {path: float((self.mask(path) > 0.5).mean()) for path in sorted(folders[2].glob("*.jpg"))}
        people, empty = people_paths(shared), empty_paths(shared, share)
        self.people, self.people_weights = list(people), normal(people)
        self.empty, self.empty_weights = list(empty), normal(empty)
        self.cutouts = [p for p in self.people if self.clean(p)]

    def mask(self, path: Path) -> np.ndarray:
        """The target of a picture, HxW float32 in [0, 1]."""
        return cv2.imread(str(target(self.folder, path)), cv2.IMREAD_GRAYSCALE).astype(np.float32) / 255

    def clean(self, path: Path) -> bool:
        """Whether the teacher is sure of this picture, seen in all its ways: then a cut-out is good."""
        mask = self.mask(path)
        inside = (mask > 0.5).mean()
        unsure = ((mask > 0.2) & (mask < 0.8)).mean()
        return self.agreement[path.name] > 0.96 and 0.06 < inside < 0.8 and unsure < 0.1 * inside

    @cache  # noqa: B019
    def picture(self, path: Path) -> np.ndarray:
        return read(path)

    @cache  # noqa: B019
    def pair(self, path: Path) -> tuple[np.ndarray, np.ndarray]:
        return read(path), np.rint(self.mask(path) * 255).astype(np.uint8)

    @cache  # noqa: B019
    def cutout(self, path: Path) -> np.ndarray:
        """HxWx4 uint8: the person's colors drawn on beyond the edge, so that no old background shines
        through, and an alpha that follows the edge of the picture."""
        picture, mask = self.pair(path)
        alpha = np.clip((guided(picture, mask.astype(np.float32) / 255) - 0.5) * 1.6 + 0.45, 0, 1)
        sure = (alpha > 0.95).astype(np.float32)[..., None]
        near = cv2.GaussianBlur(picture * sure, (0, 0), 3)
        weight = cv2.GaussianBlur(sure, (0, 0), 3)[..., None]
        color = np.where(sure > 0, picture, near / np.maximum(weight, 1e-3)).clip(0, 255)
        return np.dstack([color, alpha * 255]).round().astype(np.uint8)


def normal(weights: dict[Path, float]) -> np.ndarray:
    values = np.array(list(weights.values()))
    return values / values.sum()


def target(folder: Path, path: Path) -> Path:
    return folder / f"{path.parent.name}-{path.stem}.png"


def teach(shared: Path, folder: Path, paths: list[Path]) -> dict[str, float]:
    """Write the target of every picture that has none: half what the teacher says of the picture as it is,
    half its mean over several views. The answer: how much those views agree, by file name."""
    notes = folder / "agreement.csv"
    agreement: dict[str, float] = {}
    if notes.exists():
        with open(notes, encoding="utf-8") as file:
            agreement = {name: float(value) for name, value in csv.reader(file)}
    missing = [p for p in paths if p.parent.name + p.stem not in agreement]
    if missing:
        teacher = Teacher(shared)
        for path in missing:
            picture = read(path)
            mean, agreement[path.parent.name + path.stem] = teacher.mean(picture)
            both = (mean + teacher.run(picture)) / 2
            cv2.imwrite(str(target(folder, path)), np.rint(both * 255).astype(np.uint8))
        with open(notes, "w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(agreement.items())
    return {p.name: agreement[p.parent.name + p.stem] for p in paths}


def guided(picture: np.ndarray, mask: np.ndarray, radius: int = 5, smooth: float = 1e-3) -> np.ndarray:
    """A guided filter (He et al. 2010) of `mask` along the brightness of `picture`."""
    guide = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32) / 255
    box = lambda x: cv2.blur(x, (2 * radius + 1, 2 * radius + 1))  # noqa: E731
    mean_i, mean_p = box(guide), box(mask)
    slope = (box(guide * mask) - mean_i * mean_p) / (box(guide * guide) - mean_i * mean_i + smooth)
    return np.clip(box(slope) * guide + box(mean_p - slope * mean_i), 0, 1)


Rng = np.random.Generator


def placed(size: tuple[int, int], shape: tuple[int, int], rng: Rng, touching: str = "") -> np.ndarray:
    """A 2x3 matrix that puts a picture of `size` (height, width) into a frame of `shape`: turned, zoomed,
    mirrored, squeezed a little. Sides in `touching` (of "tblr", top to right) end outside the frame."""
    h, w = size
    height, width = shape
    cover = max(height / h, width / w)
    zoom = cover * np.exp(rng.uniform(np.log(0.75), np.log(1.9))) if rng.random() < 0.8 else cover
    if touching:
        zoom = cover * np.exp(rng.uniform(np.log(0.35), np.log(1.5)))
        if "l" in touching and "r" in touching:
            zoom = max(zoom, width / w)
        if "t" in touching and "b" in touching:
            zoom = max(zoom, height / h)
    squeeze = np.exp(rng.normal(0, 0.07))
    across, down = zoom * squeeze, zoom / squeeze
    angle = np.deg2rad(rng.normal(0, 7) if rng.random() < 0.6 else 0.0)
    if not touching and rng.random() < 0.03:
        angle += rng.choice([np.pi / 2, -np.pi / 2, np.pi])
    free = np.array([width - across * w, height - down * h])
    spread = np.abs(free) / 2 + (0.15 if not touching else 0.3) * np.array([width, height]) * (
        zoom < cover or bool(touching)
    )
    x, y = width / 2 + rng.uniform(-1, 1) * spread[0], height / 2 + rng.uniform(-1, 1) * spread[1]
    if "b" in touching:
        y = max(y, height - down * h / 2 + 1)
    if "t" in touching:
        y = min(y, down * h / 2 - 1)
    if "l" in touching:
        x = min(x, across * w / 2 - 1)
    if "r" in touching:
        x = max(x, width - across * w / 2 + 1)
    if touching:
        angle *= 0.3
    mirror = -1 if not touching and rng.random() < 0.5 else 1
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn @ np.diag([mirror * across, down])
    return np.column_stack([matrix, np.array([x, y]) - matrix @ np.array([w / 2, h / 2])]).astype(np.float32)


def warp(picture: np.ndarray, matrix: np.ndarray, shape: tuple[int, int], border: int) -> np.ndarray:
    return cv2.warpAffine(picture, matrix, shape[::-1], flags=cv2.INTER_LINEAR, borderMode=border)


def relight(picture: np.ndarray, rng: Rng, amount: float = 1.0) -> np.ndarray:
    """Other light: gain, gamma and color temperature, in float32 [0, 1]."""
    gain = np.exp(rng.normal(0, 0.22 * amount)) * np.exp(rng.normal(0, 0.07 * amount, 3))
    gamma = np.exp(rng.normal(0, 0.25 * amount))
    return cv2.pow(np.clip(picture * gain.astype(np.float32), 0, 1), float(gamma))


def composite(material: Material, shape: tuple[int, int], rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    """One to three people cut out and put into a scene; the mask is what was put there."""
    scene = material.picture(material.empty[rng.choice(len(material.empty), p=material.empty_weights)])
    frame = warp(scene, placed(scene.shape[:2], shape, rng), shape, cv2.BORDER_REFLECT_101)
    if rng.random() < 0.3:
        frame = cv2.GaussianBlur(frame, (0, 0), rng.uniform(0.7, 4))
    frame = relight(frame.astype(np.float32) / 255, rng, 0.7)
    mask = np.zeros(shape, np.float32)
    return add_people(material, frame, mask, rng, int(rng.choice([1, 2, 3], p=[0.6, 0.27, 0.13])))


def add_people(
    material: Material, frame: np.ndarray, mask: np.ndarray, rng: Rng, count: int
) -> tuple[np.ndarray, np.ndarray]:
    shape = mask.shape
    for _ in range(count):
        cut = material.cutout(material.cutouts[rng.integers(len(material.cutouts))])
        if rng.random() < 0.5:
            cut = cut[:, ::-1]
        alpha = cut[..., 3]
        ends = {"t": alpha[0], "b": alpha[-1], "l": alpha[:, 0], "r": alpha[:, -1]}
        touching = "".join(side for side, line in ends.items() if (line > 128).mean() > 0.03) or "-"
        put = warp(
            np.ascontiguousarray(cut), placed(cut.shape[:2], shape, rng, touching), shape, cv2.BORDER_CONSTANT
        )
        a = put[..., 3:].astype(np.float32) / 255
        person = relight(put[..., :3].astype(np.float32) / 255, rng, 0.4)
        if (weight := a.sum()) > 50:  # light of the scene on the person
            match = rng.uniform(0, 0.8)
            ratio = (frame.mean((0, 1)) + 0.1) / ((person * a).sum((0, 1)) / weight + 0.1)
            person = np.clip(person * ratio.astype(np.float32) ** np.float32(match * 0.6), 0, 1)
        frame = frame * (1 - a) + person * a
        mask = np.maximum(mask, a[..., 0])
    return frame, mask


def camera(frame: np.ndarray, rng: Rng) -> np.ndarray:
    """What a camera and a codec do: blur, noise, little color, JPEG. float32 [0, 1] -> uint8."""
    if rng.random() < 0.15:
        gray = frame.mean(axis=2, keepdims=True)
        frame = gray + (frame - gray) * np.float32(rng.choice([0.0, rng.uniform(0.2, 1.5)]))
    frame = relight(frame, rng, 0.7 if rng.random() < 0.7 else 1.6)
    if rng.random() < 0.25:
        frame = cv2.GaussianBlur(frame, (0, 0), rng.uniform(0.4, 1.3))
    if rng.random() < 0.35:
        strength = rng.uniform(0.005, 0.05)
        frame = frame + strength * rng.standard_normal(frame.shape, np.float32)
    frame = (np.clip(frame, 0, 1) * 255).round().astype(np.uint8)
    if rng.random() < 0.35:
        quality = int(rng.integers(30, 90))
        frame = cv2.imdecode(cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], 1)
    return frame


def example(material: Material, shape: tuple[int, int], rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    """A picture to learn from, HxWx3 uint8, and its mask, HxW uint8."""
    kind = rng.random()
    if kind < 0.16:
        scene = material.picture(material.empty[rng.choice(len(material.empty), p=material.empty_weights)])
        frame = warp(scene, placed(scene.shape[:2], shape, rng), shape, cv2.BORDER_REFLECT_101)
        frame, mask = frame.astype(np.float32) / 255, np.zeros(shape, np.float32)
    elif kind < 0.46:
        frame, mask = composite(material, shape, rng)
    else:
        picture, truth = material.pair(
            material.people[rng.choice(len(material.people), p=material.people_weights)]
        )
        matrix = placed(picture.shape[:2], shape, rng)
        frame = warp(picture, matrix, shape, cv2.BORDER_REFLECT_101).astype(np.float32) / 255
        mask = warp(truth, matrix, shape, cv2.BORDER_REFLECT_101).astype(np.float32) / 255
        if kind < 0.52:
            frame, mask = add_people(material, frame, mask, rng, 1)
    return camera(frame, rng), np.rint(mask * 255).astype(np.uint8)
