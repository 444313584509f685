"""The people of the demo scene: a cyclist and a portrait."""

from __future__ import annotations

import numpy as np

from nstfilter.plugins.demo.canvas import Canvas, Color, Point, ellipse, mirrored, shaded, spline

SKIN: Color = (150, 182, 232)
SKIN_SHADE: Color = (92, 120, 190)
SCARF: Color = (60, 190, 242)
WHEEL = 25.0  # the radius of a wheel, in units
CYCLIST = (150, 176)  # the size of the cyclist's picture
CYCLIST_GROUND = (44, 170)  # where on it the rear wheel stands
PORTRAIT = (260, 330)
PORTRAIT_NECK = (130, 196)  # where on the portrait's picture the head turns
HEAD_END = 240  # the hair does not reach below this


def cyclist(scale: float, phase: float) -> np.ndarray:
    """Somebody riding to the right, HxWx4 BGRA premultiplied; `phase` 0 to 1 turns wheels and pedals once."""
    canvas = Canvas(*CYCLIST, scale, CYCLIST_GROUND)
    turn = 2 * np.pi * phase
    jacket, jeans, hair, frame = (52, 60, 205), (120, 78, 48), (38, 58, 98), (120, 130, 28)
    canvas.soft(ellipse((31, 0), (66, 4)), (20, 40, 30), 2.0, 0.45, spill=True)
    rear, front, bracket = (0.0, -WHEEL), (64.0, -WHEEL), (25.0, -23.0)
    saddle, hip, shoulder, grip = (13.0, -66.0), (14.0, -73.0), (35.0, -117.0), (58.0, -78.0)
    pedals = [(bracket[0] + 10 * np.cos(a), bracket[1] + 10 * np.sin(a)) for a in (turn + np.pi, turn)]

    _leg(canvas, hip, pedals[0], shaded(jeans, 0.66))
    canvas.line([bracket, pedals[0]], (70, 70, 74), 2)
    _arm(canvas, (shoulder[0] + 2, shoulder[1] + 4), (grip[0] + 2, grip[1] + 1), shaded(jacket, 0.7))
    for hub in (rear, front):
        _wheel(canvas, hub, turn)
    for a, b in (
        (rear, bracket), (rear, (15, -58)), (bracket, saddle), (bracket, (54, -58)), ((15, -58), (52, -66)),
        (front, (52, -68)),
    ):  # fmt: skip
        canvas.line([a, b], shaded(frame, 0.7), 3.4)
        canvas.line([(a[0] - 0.5, a[1] - 0.5), (b[0] - 0.5, b[1] - 0.5)], shaded(frame, 1.35), 1.6)
    canvas.curve([(52, -68), (53, -76), (60, -79), (62, -74)], (58, 58, 62), 2.6)
    canvas.disc(bracket, 6, (62, 62, 66))
    canvas.blob([(2, -68), (10, -71), (24, -68), (22, -66), (10, -65), (3, -64)], (34, 40, 58))
    basket = [(58, -70), (80, -70), (77, -52), (61, -52)]
    canvas.polygon(basket, (58, 104, 160))
    for k in range(4):
        canvas.line([(59 + k * 0.8, -66 + k * 4.4), (79.5 - k * 0.8, -66 + k * 4.4)], (96, 150, 205), 1)
        canvas.line([(62 + k * 5, -70), (63.5 + k * 4, -52)], (36, 70, 112), 1)
    for x, y, color in ((63, -73, (60, 60, 230)), (69, -76, (70, 220, 250)), (75, -73, (230, 150, 240))):
        canvas.disc((x, y), 4.2, shaded(color, 0.75))
        canvas.disc((x - 0.8, y - 0.8), 2.8, color)

    flutter = 4 * np.sin(2 * turn)
    upper = [(34, -126), (22, -127 + flutter * 0.3), (8, -122 - flutter), (-10, -124 + flutter)]
    lower = [(-8, -114 + flutter), (8, -114 - flutter), (22, -120 + flutter * 0.3), (34, -119)]
    canvas.polygon([*spline(upper, closed=False), *spline(lower, closed=False)], SCARF)
    torso = [
        (4, -74),
        (10, -92),
        (22, -114),
        (32, -122),
        (42, -118),
        (43, -106),
        (34, -88),
        (26, -70),
        (14, -66),
    ]
    canvas.blob(torso, jacket)
    canvas.soft(
        [(12, -68), (27, -70), (36, -90), (42, -104), (34, -100), (22, -80)], shaded(jacket, 0.5), 3, 0.75
    )
    canvas.soft([(8, -84), (22, -112), (30, -120), (24, -104), (14, -84)], (120, 130, 250), 2.4, 0.65)
    _leg(canvas, hip, pedals[1], jeans)
    canvas.line([bracket, pedals[1]], (90, 90, 94), 2.2)
    canvas.line(
        [(pedals[1][0] - 5, pedals[1][1] + 1.4), (pedals[1][0] + 5, pedals[1][1] + 1.4)], (40, 40, 44), 2
    )
    _cyclist_head(canvas, hair, flutter)
    _arm(canvas, shoulder, grip, jacket)
    return canvas.picture()


def _cyclist_head(canvas: Canvas, hair: Color, flutter: float) -> None:
    canvas.limb((38, -122), (42, -132), (9, 9), shaded(SKIN, 0.82))
    canvas.blob([(33, -126), (43, -122), (47, -125), (44, -130), (36, -130)], SCARF)
    canvas.blob(
        [
            (46, -156),
            (32, -153),
            (27, -142),
            (18, -134 + flutter * 0.4),
            (10, -133 + flutter),
            (20, -128),
            (34, -130),
        ],
        hair,
    )
    face = [(38, -152), (48, -155), (57, -149), (58.5, -143), (61.5, -138.5), (58.5, -136.5), (57.5, -131)]
    canvas.blob([*face, (52, -128), (43, -129), (37, -137)], SKIN)
    canvas.soft([(37, -140), (40, -130), (52, -127), (57, -130), (47, -132), (41, -140)], SKIN_SHADE, 2, 0.7)
    canvas.soft(ellipse((50, -137), (4, 3)), (110, 110, 240), 1.6, 0.55)
    canvas.disc((53, -143.5), (2.7, 2.1), (250, 250, 250))
    canvas.disc((54, -143.4), (1.5, 2.0), (40, 46, 60))
    canvas.curve([(50, -147.6), (53, -148.8), (56.4, -148.2)], shaded(hair, 0.7), 1.2)
    canvas.curve([(50.5, -134.6), (53, -132.4), (56, -132.2), (58, -133.4)], (64, 64, 170), 1.5)
    canvas.disc((41.5, -140.5), (2.2, 3.2), shaded(SKIN, 0.92))
    canvas.blob(
        [(56, -153), (46, -161), (34, -157), (28, -145), (33, -138), (38, -143), (42, -149), (50, -151)], hair
    )
    canvas.curve([(33, -146), (38, -154), (47, -157)], shaded(hair, 1.6), 1.6)
    canvas.curve([(31, -142), (34, -150), (41, -154)], shaded(hair, 1.35), 1.2)


def _wheel(canvas: Canvas, hub: Point, turn: float) -> None:
    x, y = hub
    for k in range(12):
        a = turn + k * np.pi / 6
        canvas.line([hub, (x + (WHEEL - 3) * np.cos(a), y + (WHEEL - 3) * np.sin(a))], (176, 180, 184), 0.5)
    canvas.line(ellipse(hub, (WHEEL - 1.6, WHEEL - 1.6), steps=72), (44, 44, 48), 3.2, closed=True)
    canvas.line(ellipse(hub, (WHEEL - 3.6, WHEEL - 3.6), steps=72), (168, 172, 178), 1, closed=True)
    canvas.disc(hub, 2.6, (90, 92, 96))


def _leg(canvas: Canvas, hip: Point, pedal: Point, color: Color) -> None:
    ankle = (pedal[0] - 3.5, pedal[1] - 6.5)
    knee = _joint(hip, ankle, 31, 33)
    canvas.limb(hip, knee, (18, 13), color)
    canvas.limb(knee, ankle, (13, 8), color)
    _lit_edge(canvas, hip, knee, 5, color)
    _lit_edge(canvas, knee, ankle, 3, color)
    x, y = ankle
    shoe = [(x - 5, y + 2), (x - 3, y - 2), (x + 3, y - 1), (x + 12, y + 3), (x + 13, y + 6), (x - 5, y + 6)]
    canvas.blob(shoe, (226, 230, 236) if color[0] > 100 else (150, 154, 160))
    canvas.line([(x - 5, y + 6), (x + 12.5, y + 6)], (60, 66, 190), 1.2)


def _arm(canvas: Canvas, shoulder: Point, hand: Point, color: Color) -> None:
    elbow = _joint(hand, shoulder, 25, 25)
    canvas.limb(shoulder, elbow, (14, 10), color)
    canvas.limb(elbow, hand, (10, 7), color)
    _lit_edge(canvas, shoulder, elbow, 3.4, color)
    canvas.disc(hand, (4.4, 3.6), SKIN, 30)


def _lit_edge(canvas: Canvas, start: Point, end: Point, offset: float, color: Color) -> None:
    along = np.subtract(end, start)
    side = np.array([along[1], -along[0]]) / np.hypot(*along) * offset
    side = side if side[1] < 0 else -side
    path = np.array([start, end]) + side * 0.6
    canvas.soft(np.concatenate([path, (path + side * 0.5)[::-1]]), shaded(color, 1.7), 1.4, 0.6)
    canvas.soft(np.concatenate([path - 2 * side, (path - 1.4 * side)[::-1]]), shaded(color, 0.4), 1.4, 0.5)


def _joint(start: Point, end: Point, first: float, second: float) -> Point:
    """Where a knee is: `first` from `start` and `second` from `end`, bent to the right."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    distance = min(np.hypot(dx, dy), first + second - 0.01)
    along = (first**2 - second**2 + distance**2) / (2 * distance)
    out = np.sqrt(max(0.0, first**2 - along**2))
    ux, uy = dx / distance, dy / distance
    return (start[0] + along * ux + out * uy, start[1] + along * uy - out * ux)


# the portrait: (0, 0) is the chin's tip; light comes from the left

HAIR: Color = (34, 52, 110)
_FACE = mirrored(
    [(0, -126), (24, -122), (40, -104), (45, -78), (43.5, -52), (37, -28), (25, -9), (10, 1), (0, 3)]
)


def bust(scale: float) -> np.ndarray:
    """Neck and shoulders with a striped pullover, HxWx4 BGRA premultiplied, the size of `PORTRAIT`."""
    canvas = Canvas(*PORTRAIT, scale, PORTRAIT_NECK)
    wool, stripe = (132, 104, 34), (208, 226, 236)
    canvas.blob(mirrored([(0, -60), (40, -60), (56, -10), (54, 26), (40, 44), (0, 50)]), shaded(HAIR, 0.5))
    canvas.blob(mirrored([(0, -30), (21, -28), (21, 10), (30, 34), (0, 62)]), shaded(SKIN, 0.94))
    canvas.soft([(-20, -14), (24, -14), (24, 16), (6, 20), (-14, 8)], SKIN_SHADE, 5, 0.85)
    outline = mirrored([(0, 40), (24, 30), (44, 36), (80, 50), (104, 70), (118, 110), (124, 150), (0, 150)])
    canvas.polygon(spline(outline), wool)
    body = canvas.bgra[:, :, 3] > 0
    x = np.arange(body.shape[1], dtype=np.float32)[None] / canvas.scale - PORTRAIT_NECK[0]
    y = canvas.rows() - (x / 26) ** 2
    below = (y > 34) & body
    band = np.clip(1.5 - np.abs((y - 40) % 22 - 11) / 1.5 * 0.5 + 1.5, 0, 1) * below * (y > 56)
    canvas.tint(band.astype(np.float32), stripe)
    knit = (0.5 + 0.5 * np.sin(2 * np.pi * (x / 3.4 + 0.4 * np.abs(y / 2.6 % 2 - 1)))) * below
    canvas.tint((0.3 * knit).astype(np.float32), (40, 30, 10))
    canvas.soft([(20, 40), (130, 60), (130, 150), (40, 150)], (40, 26, 8), 18, 0.55)
    canvas.soft([(-104, 64), (-60, 44), (-40, 52), (-90, 90)], (240, 232, 200), 8, 0.4)
    scarf = (58, 176, 238)
    canvas.blob(mirrored([(0, 14), (26, 6), (40, 20), (42, 40), (24, 54), (0, 58)]), scarf)
    for k in range(5):
        canvas.curve(
            [(-38 + k, 20 + 7 * k), (-10, 34 + 5 * k), (14, 36 + 4 * k), (38 - k, 18 + 7 * k)],
            shaded(scarf, 0.78),
            1.4,
        )
        canvas.curve(
            [(-36 + k, 18 + 7 * k), (-10, 31 + 5 * k), (14, 33 + 4 * k), (36 - k, 16 + 7 * k)],
            shaded(scarf, 1.15),
            0.9,
        )
    canvas.blob([(12, 46), (28, 44), (34, 80), (30, 112), (10, 112), (8, 76)], shaded(scarf, 0.92))
    canvas.soft([(24, 50), (34, 80), (30, 112), (24, 112)], shaded(scarf, 0.5), 4, 0.7)
    for k in range(7):
        canvas.line([(10.5 + 3.2 * k, 110), (10 + 3.2 * k, 120)], shaded(scarf, 0.85), 1.2)
    canvas.soft([(14, 12), (42, 22), (42, 42), (20, 54)], shaded(scarf, 0.45), 6, 0.6)
    canvas.soft([(-30, -4), (32, -4), (36, 14), (0, 30), (-24, 14)], (30, 60, 110), 5, 0.55)
    return canvas.picture()


def head(scale: float, closed: float = 0.0) -> np.ndarray:
    """The portrait's head, eyes `closed` by 0 to 1; HxWx4 BGRA premultiplied, the size of `PORTRAIT`."""
    canvas = Canvas(*PORTRAIT, scale, PORTRAIT_NECK)
    back = [
        (0, -148),
        (34, -144),
        (56, -118),
        (62, -80),
        (62, -40),
        (64, -8),
        (60, 20),
        (40, 26),
        (30, 0),
        (0, -20),
    ]
    canvas.blob(mirrored(back), shaded(HAIR, 0.62))
    canvas.blob(_FACE, SKIN)
    canvas.soft(
        [(50, -110), (50, -20), (22, 6), (6, 4), (28, -28), (33, -70), (36, -112)], SKIN_SHADE, 8, 0.55
    )
    canvas.soft(mirrored([(0, -130), (34, -118), (44, -80), (34, -102), (0, -106)]), SKIN_SHADE, 6, 0.55)
    canvas.soft(ellipse((-16, -92), (15, 8)), (206, 226, 255), 8, 0.55)
    for x in (-26, 27):
        canvas.soft(ellipse((x, -39), (12, 8), -10), (116, 116, 240), 6, 0.5)
    canvas.soft(ellipse((-26, -48), (9, 4), -15), (214, 232, 255), 4, 0.55)
    canvas.soft(ellipse((0, -3), (8, 4)), (206, 226, 250), 3, 0.4)
    for side in (-1, 1):
        _eye(canvas, side, closed)
    # the nose: the shadowed side of its bridge, its lit tip, its wings
    canvas.soft([(3, -76), (8, -74), (9, -52), (12, -42), (6, -41), (4, -56)], SKIN_SHADE, 2.4, 0.45)
    canvas.soft(ellipse((-1, -47), (3.6, 4.5)), (216, 234, 255), 2.4, 0.7)
    canvas.soft([(-10, -41), (0, -37.5), (11, -41), (8, -37), (0, -34.5), (-7, -37)], SKIN_SHADE, 1.8, 0.65)
    for side in (-1, 1):
        canvas.curve([(8.4 * side, -41.5), (6.5 * side, -39), (3 * side, -39.6)], (76, 92, 156), 1.2)
    _smile(canvas)
    _hair(canvas, np.random.default_rng(5))
    return canvas.picture()


def _smile(canvas: Canvas) -> None:
    """An open, friendly smile: teeth between two lips."""
    left, right = (-19, -24.5), (19, -24.5)
    upper = spline([left, (-9, -25), (-3.2, -26), (0, -25), (3.2, -26), (9, -25), right], closed=False)
    gap_top = spline([right, (9, -21.6), (0, -20.6), (-9, -21.6), left], closed=False)
    gap_bottom = spline([left, (-9, -17.6), (0, -15.4), (9, -17.6), right], closed=False)
    lower = spline([right, (11, -14.2), (0, -10.2), (-11, -14.2), left], closed=False)
    canvas.polygon(np.concatenate([gap_top, gap_bottom]), (238, 244, 248))
    canvas.soft([(-19, -25), (19, -25), (14, -20.4), (0, -19.4), (-14, -20.4)], (120, 120, 160), 0.8, 0.5)
    canvas.polygon(np.concatenate([upper, gap_top]), (98, 92, 200))
    canvas.polygon(np.concatenate([gap_bottom, lower]), (118, 112, 222))
    canvas.soft(ellipse((-3, -13.4), (6, 1.3)), (196, 196, 252), 1.1, 0.8)
    for side in (-1, 1):
        canvas.curve([(18 * side, -23.6), (20 * side, -25.2), (20.6 * side, -26.6)], (74, 88, 156), 1.1)
        canvas.soft(
            [(21 * side, -36), (25 * side, -28), (24 * side, -20), (22.6 * side, -28)], SKIN_SHADE, 1.6, 0.5
        )
    canvas.soft([(-10, -8), (10, -8), (7, -6), (-7, -6)], SKIN_SHADE, 1.8, 0.55)


def _eye(canvas: Canvas, side: int, closed: float) -> None:
    x, y = side * 20.0, -66.0
    lift = 1 - closed
    canvas.soft(ellipse((x, y - 3), (13, 8)), SKIN_SHADE, 3.5, 0.45)
    inner, outer = (x - 10 * side, y + 1.8), (x + 11 * side, y - 0.2)
    top = [inner, (x - 4 * side, y + 2 - 7.6 * lift), (x + 4 * side, y + 1.5 - 8 * lift), outer]
    bottom = [outer, (x + 4 * side, y + 4.2), (x - 4 * side, y + 4.6), inner]
    if closed < 0.9:
        lids = np.concatenate([spline(top, closed=False), spline(bottom, closed=False)])
        # the eyeball is drawn on a canvas of its own, and shows where the lids are open
        left, up = (int((c + o) * canvas.scale) for c, o in zip((x - 14, y - 12), canvas.origin, strict=True))
        origin = (canvas.origin[0] - left / canvas.scale, canvas.origin[1] - up / canvas.scale)
        ball = Canvas(28, 24, canvas.scale, origin)
        ball.polygon(lids, (240, 243, 246))
        opening = ball.picture()[:, :, 3].astype(np.float32) / 255
        ball.disc((x, y - 0.8), 6.5, (56, 78, 40))
        ball.disc((x, y - 0.8), 5.4, (112, 146, 76))
        ball.soft(ellipse((x, y + 1.8), (3.6, 2.2)), (160, 206, 150), 1.2, 0.8)
        ball.disc((x, y - 0.8), 2.8, (22, 22, 26))
        ball.soft(
            [(x - 12, y - 9), (x + 12, y - 9), (x + 12, y - 4), (x - 12, y - 4)], (60, 66, 90), 1.6, 0.6
        )
        ball.disc((x - 2.2, y - 3), 1.7, (255, 255, 255))
        ball.disc((x + 2.4, y + 1.4), 0.7, (230, 236, 236))
        canvas.tint(opening, ball.picture()[:, :, :3], (left, up))
    canvas.curve(top, (30, 38, 62), 1.9)
    canvas.curve([top[2], outer, (outer[0] + side * 2.6, outer[1] - 2.4 * lift)], (30, 38, 62), 1.7)
    canvas.curve([(px, py - 3.2) for px, py in top], (96, 116, 176), 0.9)
    canvas.curve(bottom[1:], (104, 122, 180), 0.8)
    brow = [(x - side * 9, y - 14), (x, y - 17.4), (x + side * 8, y - 17.2), (x + side * 14.5, y - 13)]
    canvas.curve(brow, shaded(HAIR, 0.85), 1.5)
    canvas.curve([(px, py - 0.9) for px, py in brow[:3]], shaded(HAIR, 0.95), 1.7)


def _hair(canvas: Canvas, rng: np.random.Generator) -> None:
    """Hair parted on one side and falling in waves to both, strand by strand."""
    part = (-16.0, -133.0)
    # how one strand of each side falls, at the face and at the outline; strands lie between the two
    sides = (
        ([part, (-30, -116), (-41, -92), (-45, -62), (-47, -30), (-43, 4), (-47, 26)],
         [part, (-36, -144), (-60, -112), (-66, -72), (-67, -30), (-71, 4), (-64, 30)]),
        ([part, (6, -117), (32, -104), (44, -74), (46, -40), (42, -4), (47, 24)],
         [part, (22, -153), (58, -122), (67, -78), (66, -34), (72, 2), (63, 32)]),
    )  # fmt: skip
    crown = [
        (-16, -132),
        (-40, -122),
        (-36, -140),
        (-14, -151),
        (14, -150),
        (40, -138),
        (50, -118),
        (20, -122),
    ]
    canvas.blob(crown, HAIR)
    for near, far in sides:
        canvas.polygon(np.concatenate([spline(near, closed=False), spline(far, closed=False)[::-1]]), HAIR)
    tones = [(shaded(HAIR, f), w) for f, w in ((0.6, 2), (0.78, 3), (1.0, 3), (1.25, 3), (1.5, 2), (1.8, 1))]
    weights = np.array([w for _, w in tones]) / sum(w for _, w in tones)
    for near, far in sides:
        for between in np.sort(rng.beta(0.9, 0.9, 120)):
            strand = np.add(near, np.subtract(far, near) * between) + rng.normal(0, 0.6, (len(near), 2))
            strand[0] = part[0] + rng.normal(0, 1.2), part[1] - 8 * between
            strand[-1] += rng.normal(0, 2), rng.normal(0, 5)
            canvas.curve(strand, tones[rng.choice(len(tones), p=weights)][0], rng.uniform(0.5, 1.0))
    canvas.soft([(50, -110), (70, -60), (72, 20), (52, 20), (58, -60)], shaded(HAIR, 0.35), 6, 0.6)
    canvas.soft([(-44, -112), (-20, -138), (-10, -142), (-30, -126), (-50, -92)], (130, 170, 236), 4, 0.42)
    canvas.soft([(6, -143), (30, -136), (46, -114), (30, -124)], (120, 160, 226), 4, 0.36)
    canvas.soft([(-62, -60), (-56, -60), (-56, -10), (-62, -10)], (120, 160, 226), 3, 0.3)
