#ifndef COOPER_MODEL_IMAGE_COMPOSE_H_
#define COOPER_MODEL_IMAGE_COMPOSE_H_

#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "model/image/image.h"

// Pixels of other kinds to RGB, by the reference's rules.

namespace cooper::image {

// R G B A rows, 4 bytes a pixel, over white: (x*a + 255*(255-a))/255 rounded.
// `rgba` has width * height * 4 bytes.
RgbImage ComposeOnWhite(Size size, absl::Span<const uint8_t> rgba);

// Each grey value three times. `grey` has width * height bytes.
RgbImage GreyToRgb(Size size, absl::Span<const uint8_t> grey);

// The composition over a run of pixels. `rgb` may be `rgba` itself: a pixel
// is read before it is written and never after.
void ComposePixelsOnWhite(const uint8_t* rgba, size_t pixels, uint8_t* rgb);

// CMYK as Adobe stores it in a JPEG (inverted: 255 is no ink) to RGB, as
// Pillow does: ink times black, rounded.
void InvertedCmykToRgb(const uint8_t* cmyk, size_t pixels, uint8_t* rgb);

}  // namespace cooper::image

#endif  // COOPER_MODEL_IMAGE_COMPOSE_H_
