"""Paint the style pictures in `data`, `python tools/paint.py data`: thousands of short brush strokes along a
flow, each of many bristles."""
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

HEIGHT, WIDTH, FINER = 560, 720, 2  # painted twice as large, then shrunk, which smooths the edges


def mix(first, second, share):
    "Two colours in this proportion."
    return np.asarray(first, float) * (1 - share) + np.asarray(second, float) * share


def swirl(x, y, centres):
    "The angle of a stroke at a place: a slow wave, bent around the centres (x, y, radius, turn)."
    dx, dy = 1.0, 0.28 * np.sin(3.3 * x + 1.4 * np.sin(4 * y))
    for cx, cy, radius, turn in centres:
        away = np.hypot(x - cx, y - cy) + 1e-6
        pull = 4 * np.exp(-(away / radius) ** 2)
        dx, dy = dx - turn * pull * (y - cy) / away, dy + turn * pull * (x - cx) / away
    return np.arctan2(dy, dx)


STARS = [  # x, y, radius, turn; y is 1 at the lower edge
    (0.80, 0.20, 0.15, 1), (0.43, 0.30, 0.17, -1), (0.13, 0.17, 0.10, 1), (0.62, 0.10, 0.06, 1),
    (0.27, 0.47, 0.07, 1), (0.63, 0.46, 0.08, -1), (1.05, 0.50, 0.13, 1)]


def night(x, y, rng):
    "Colour and angle of a stroke in a night over hills."
    ridge = 0.66 + 0.05 * np.sin(5 * x) + 0.03 * np.sin(11 * x + 1)
    low = 0.80 + 0.035 * np.sin(4 * x + 2)
    if y > low:
        return mix((24, 52, 38), (96, 128, 52), rng.random() ** 1.5), 0.35 * np.sin(7 * x) - 0.25
    if y > ridge:
        return mix((22, 34, 92), (52, 110, 124), rng.random()), 0.30 * np.cos(5 * x) + 0.15
    color = mix((16, 30, 104), (52, 122, 196), 0.5 + 0.5 * np.sin(16 * y + 7 * np.sin(4 * x)))
    color = mix(color, (150, 200, 214), 0.75 * (rng.random() < 0.16))
    for cx, cy, radius, _ in STARS:
        away = np.hypot(x - cx, y - cy) / radius
        if away < 0.26: return mix((255, 244, 190), (250, 206, 70), rng.random()), swirl(x, y, STARS)
        glow = np.exp(-(away / 0.72) ** 2)
        ring = 0.5 + 0.5 * np.cos(away * 15)
        color = mix(color, mix((240, 196, 70), (236, 226, 160), ring), glow * (0.35 + 0.6 * ring))
    return color, swirl(x, y, STARS)


SUN = [(0.66, 0.40, 0.28, 1), (0.18, 0.20, 0.16, -1), (1.05, 0.12, 0.15, -1)]  # and two clouds
TREES = [(0.16, 0.47, 0.15, 0.21), (0.34, 0.53, 0.09, 0.12), (1.08, 0.46, 0.13, 0.20),
         (0.92, 0.55, 0.07, 0.09)]  # x, y, radii


def autumn(x, y, rng):
    "Colour and angle of a stroke in an autumn evening: a sun, red trees, a golden field."
    horizon = 0.58 + 0.015 * np.sin(7 * x)
    crown = min(np.hypot((x - cx) / rx, (y - cy) / ry) for cx, cy, rx, ry in TREES)
    if crown < 1:
        shade = np.clip(0.5 + 0.8 * (0.47 - y) / 0.2 + rng.normal(0, 0.25), 0, 1)
        return mix((112, 20, 34), (238, 92, 28), shade), 2.2 * np.sin(9 * x + 5 * y) + 0.8
    if y > horizon:
        near = (y - horizon) / (1 - horizon)
        furrow = 0.5 + 0.5 * np.sin(40 * (x - 0.66) / (0.25 + near) + 2)
        color = mix((92, 74, 34), (246, 190, 52), np.clip(furrow + rng.normal(0, 0.2), 0, 1))
        color = mix(color, (84, 120, 60), 0.5 * (rng.random() < 0.2))
        return color, np.arctan2(0.25 + near, (x - 0.66) * 1.4)
    away = np.hypot(x - SUN[0][0], y - SUN[0][1])
    blue = np.clip((away - 0.08) / 0.5 + 0.14 * np.sin(26 * y + 6 * x), 0, 1)
    color = mix((255, 208, 92), (70, 116, 176), blue)
    color = mix(color, (240, 130, 100), 0.7 * (rng.random() < 0.20))
    if away < 0.085: color = mix((255, 250, 214), (255, 214, 96), rng.random())
    return color, swirl(x, y, SUN)


def stroke(pen, rng, start, scene, length, width, points=12):
    """One stroke: bristles side by side, each with its own brightness, put down and lifted at its own
    time."""
    scale = HEIGHT * FINER
    color, path = scene(*start / scale, rng)[0] + rng.normal(0, 9, 3), [start]
    for _ in range(points - 1):
        angle = scene(*path[-1] / scale, rng)[1]
        path.append(path[-1] + length / points * np.array([np.cos(angle), np.sin(angle)]))
    path = np.array(path)
    along = np.gradient(path, axis=0)
    across = along[:, ::-1] * [-1, 1] / (np.linalg.norm(along, axis=1, keepdims=True) + 1e-6)
    bristles, narrower = max(5, int(width / 2.6)), np.linspace(1, 0.75, points)[:, None]
    for place in np.linspace(-1, 1, bristles):
        first, last = rng.integers(0, 3), points - rng.integers(0, 4)
        side = path + across * narrower * place * width / 2
        light = 16 * place + rng.normal(0, 17)  # paint lies as a ridge: lighter on one side
        fill = tuple(np.clip(color + light, 0, 255).astype(int).tolist())
        pen.line([tuple(point) for point in side[first:last]], fill, max(2, round(width / bristles * 1.35)),
                 "curve")


def paint(scene, seed=0):
    """A Pillow picture of a scene, a function (x, y, rng) -> (colour, angle): a ground, then broad strokes,
    then fine ones."""
    rng = np.random.default_rng(seed)
    across, down = np.linspace(0, WIDTH / HEIGHT, 72), np.linspace(0, 1, 56)
    ground = np.array([[scene(x, y, rng)[0] for x in across] for y in down]).clip(0, 255).astype("uint8")
    canvas = Image.fromarray(ground).resize((WIDTH * FINER, HEIGHT * FINER))
    pen = ImageDraw.Draw(canvas)
    for length, width, count in ((190, 46, 900), (140, 30, 1900), (90, 19, 2600)):
        for _ in range(count):
            start = (rng.random(2) * (WIDTH + 60, HEIGHT + 60) - 30) * FINER
            stroke(pen, rng, start, scene, length * rng.uniform(0.7, 1.2), width * rng.uniform(0.75, 1.2))
    return canvas.resize((WIDTH, HEIGHT), Image.LANCZOS)


if __name__ == "__main__":
    for scene in (night, autumn):
        paint(scene).save(Path(sys.argv[1])/f"{scene.__name__}.jpg", quality=78, optimize=True)
