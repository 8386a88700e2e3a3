"""Depth of the newest frame of a camera or of a video file.

    pip install client/python opencv-python
    python examples/python/webcam.py --server localhost:8001           # camera 0
    python examples/python/webcam.py --source video.mp4 --out depth/   # a file

Frames that the server is too slow for are left out; what is shown is as new as it
can be. Each line tells the frame's time stamp and how old its depth is.
"""

import argparse
import pathlib
import sys
import time

import cv2

import cooper_client


def frames(source, limit):
    """(time stamp in s, frame) of a camera, or of a file at its own speed."""
    is_camera = source.isdigit()
    video = cv2.VideoCapture(int(source) if is_camera else source)
    if not video.isOpened():
        raise OSError(f"cannot open the video source {source}")
    rate = video.get(cv2.CAP_PROP_FPS) or 30.0
    begin = time.monotonic()
    count = 0
    try:
        while limit is None or count < limit:
            good, frame = video.read()
            if not good:
                return
            if is_camera:
                yield time.time(), frame
            else:
                time.sleep(max(0, begin + count / rate - time.monotonic()))
                yield count / rate, frame
            count += 1
    finally:
        video.release()


def show(depth, frame):
    """Frame and depth beside each other. False: the user pressed q."""
    colours = cv2.cvtColor(depth.display, cv2.COLOR_RGB2BGR)
    height, width = frame.shape[:2]
    colours = cv2.resize(colours, (width, height))
    cv2.imshow("COOPER: relative depth, near is red", cv2.hconcat(
        [frame, colours]))
    return cv2.waitKey(1) != ord("q")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--server", default="localhost:8001")
    parser.add_argument("--source", default="0",
                        help="number of a camera, or a video file (default 0)")
    parser.add_argument("--out", type=pathlib.Path,
                        help="folder for PNG files; without it a window")
    parser.add_argument("--num_timesteps", type=int, default=10)
    parser.add_argument("--max_frames", type=int, help="frames to read")
    arguments = parser.parse_args()
    if arguments.out is not None:
        arguments.out.mkdir(parents=True, exist_ok=True)
    stream = frames(arguments.source, arguments.max_frames)
    try:
        with cooper_client.Client(arguments.server) as client:
            for newest in client.latest_frame(
                    stream, "depth", bgr=True, seed=1,
                    num_timesteps=arguments.num_timesteps):
                print(f"t={newest.timestamp:.3f} s, frame {newest.index}, "
                      f"{newest.latency * 1000:.0f} ms old, "
                      f"{newest.skipped} left out", flush=True)
                if arguments.out is not None:
                    newest.value.save(
                        arguments.out / f"{newest.index:06d}.png")
                elif not show(newest.value, newest.image):
                    break
    except KeyboardInterrupt:
        pass
    except (cooper_client.CooperError, OSError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
