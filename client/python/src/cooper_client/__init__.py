"""Client of COOPER servers: spatial questions about images, answered by a model
that generates depth maps and segmentations while it thinks.

    import cooper_client

    with cooper_client.Client("localhost:8001") as client:
        depth = client.depth("photo.jpg")             # numpy.asarray(depth)
        result = client.reason("photo.jpg", "What is nearest?").result()
        print(result.answer, result.boxed)

`cooper_client.aio.Client` is its twin for asyncio.
"""

from cooper_client import aio
from cooper_client.client import Client
from cooper_client.conversation import Conversation, Turn
from cooper_client.enums import (FinishReason, MapEncoding, MapKind, MapRole,
                                 Mode, Priority, RenormType, TextChannel)
from cooper_client.errors import (Cancelled, CooperError, DataLoss,
                                  DeadlineExceeded, FailedPrecondition,
                                  FieldViolation, InternalError, InvalidArgument,
                                  NotFound, PermissionDenied, ResourceExhausted,
                                  Unauthenticated, Unavailable, Unimplemented)
from cooper_client.events import (Event, Finished, MapProgress, MapResult,
                                  MapStarted, Region, Session, Started,
                                  TextDelta, TurnCancelled, Usage)
from cooper_client.frames import Frame
from cooper_client.latest_frame import latest_frame
from cooper_client.maps import DepthMap, GeneratedImage, LabelMap, Map
from cooper_client.models import Limits, Model, WeightFile
from cooper_client.options import (GenerateOptions, MapOptions, ReasonOptions,
                                   TextOptions)
from cooper_client.point_cloud import (Alignment, Intrinsics, PointCloud,
                                       fit_scale_shift, point_cloud)
from cooper_client.results import Result, Text
from cooper_client.retries import RetryPolicy
from cooper_client.streams import EventStream

__version__ = "0.1.0"

__all__ = [
    "Alignment", "Cancelled", "Client", "Conversation", "CooperError",
    "DataLoss", "DeadlineExceeded", "DepthMap", "Event", "EventStream",
    "FailedPrecondition", "FieldViolation", "FinishReason", "Finished", "Frame",
    "GenerateOptions", "GeneratedImage", "InternalError", "Intrinsics",
    "InvalidArgument", "LabelMap", "Limits", "Map", "MapEncoding", "MapKind",
    "MapOptions", "MapProgress", "MapResult", "MapRole", "MapStarted", "Mode",
    "Model", "NotFound", "PermissionDenied", "PointCloud", "Priority",
    "ReasonOptions", "Region", "RenormType", "ResourceExhausted", "Result",
    "RetryPolicy", "Session", "Started", "Text", "TextChannel", "TextDelta",
    "TextOptions", "Turn", "TurnCancelled", "Unauthenticated", "Unavailable",
    "Unimplemented", "Usage", "WeightFile", "aio", "fit_scale_shift", "latest_frame",
    "point_cloud",
]
