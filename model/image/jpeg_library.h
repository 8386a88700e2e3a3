#ifndef COOPER_MODEL_IMAGE_JPEG_LIBRARY_H_
#define COOPER_MODEL_IMAGE_JPEG_LIBRARY_H_

// libjpeg's headers need others before them and do not include them.
// clang-format off
#include <cstddef>
#include <cstdio>
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#endif  // COOPER_MODEL_IMAGE_JPEG_LIBRARY_H_
