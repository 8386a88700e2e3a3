"""Depth and segmentation of every image in a folder, several at a time.

    pip install client/python
    python examples/python/folder_of_frames.py FRAMES OUT --server localhost:8001

For FRAMES/name.jpg it writes OUT/name-depth.npy (relative, 0 near, 1 far),
OUT/name-depth.png (for eyes), OUT/name-labels.npy, OUT/name-labels.png and with
--fov OUT/name.ply.
"""

import argparse
import asyncio
import pathlib
import sys

import numpy
import PIL.Image

import cooper_client

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"}


def save_points(depth, image, fov, path):
    photo = PIL.Image.open(image).convert("RGB")
    camera = cooper_client.Intrinsics.from_fov(fov, *photo.size)
    colours = numpy.asarray(photo.resize((depth.width, depth.height)))
    cooper_client.point_cloud(depth, camera, colours=colours).save(path)


async def process(client, image, out, arguments):
    options = {"num_timesteps": arguments.num_timesteps, "seed": 1,
               "priority": "low"}
    depth, labels = await asyncio.gather(client.depth(image, **options),
                                         client.segment(image, **options))
    base = str(out / image.stem)
    for name, found in (("depth", depth), ("labels", labels)):
        found.save(f"{base}-{name}.npy")
        found.save(f"{base}-{name}.png")
    if arguments.fov is not None:
        save_points(depth, image, arguments.fov, f"{base}.ply")
    print(f"{image.name}: {depth.width}x{depth.height}, "
          f"{len(labels.regions)} regions, {depth.usage.total_ms:.0f} ms",
          flush=True)


async def run(arguments):
    images = sorted(path for path in arguments.frames.iterdir()
                    if path.suffix.lower() in SUFFIXES)
    if not images:
        sys.exit(f"no images in {arguments.frames}")
    arguments.out.mkdir(parents=True, exist_ok=True)
    at_once = asyncio.Semaphore(arguments.concurrency)
    # Patient: a full server says when to come back.
    patient = cooper_client.RetryPolicy(attempts=20)

    async def limited(image):
        async with at_once:
            await process(client, image, arguments.out, arguments)
    async with cooper_client.aio.Client(arguments.server,
                                        retry=patient) as client:
        await client.model(timeout=5)  # fails soon if nothing listens
        await asyncio.gather(*(limited(image) for image in images))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("frames", type=pathlib.Path, help="folder of images")
    parser.add_argument("out", type=pathlib.Path, help="folder for the maps")
    parser.add_argument("--server", default="localhost:8001")
    parser.add_argument("--concurrency", type=int, default=4,
                        help="images at a time (default 4)")
    parser.add_argument("--num_timesteps", type=int, default=50,
                        help="fewer are faster and coarser (default 50)")
    parser.add_argument("--fov", type=float,
                        help="horizontal field of view in degrees; writes "
                        "point clouds, which are not metric")
    arguments = parser.parse_args()
    try:
        asyncio.run(run(arguments))
    except (cooper_client.CooperError, OSError, ValueError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
