#include "model/tokenizer/normalize.h"

#include <utf8proc.h>

#include <algorithm>
#include <tuple>
#include <vector>

#include "base/check.h"
#include "model/text_codec.h"

namespace cooper::tokenizer {
namespace {

constexpr utf8proc_option_t kOptions =
    static_cast<utf8proc_option_t>(UTF8PROC_STABLE | UTF8PROC_COMPOSE);

// A code point, its canonical combining class and its place in the text.
struct Point {
  utf8proc_int32_t code;
  utf8proc_propval_t combining;
  size_t place;
};

// The canonical decomposition of valid UTF-8, marks in canonical order.
std::vector<Point> Decompose(const std::string& text) {
  std::vector<Point> points;
  points.reserve(text.size());
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  utf8proc_ssize_t left = static_cast<utf8proc_ssize_t>(text.size());
  while (left > 0) {
    utf8proc_int32_t code = 0;
    const utf8proc_ssize_t used = utf8proc_iterate(bytes, left, &code);
    COOPER_CHECK(used > 0);
    bytes += used;
    left -= used;
    utf8proc_int32_t parts[8];  // Unicode's longest has four
    int boundary = 0;
    const utf8proc_ssize_t count =
        utf8proc_decompose_char(code, parts, 8, kOptions, &boundary);
    COOPER_CHECK(count >= 0 && count <= 8);
    for (utf8proc_ssize_t i = 0; i < count; ++i) {
      points.push_back({parts[i],
                        utf8proc_get_property(parts[i])->combining_class,
                        points.size()});
    }
  }
  // utf8proc's own ordering takes quadratic time on a long run of marks.
  const auto is_starter = [](const Point& p) { return p.combining == 0; };
  auto begin = points.begin();
  while (begin != points.end()) {
    begin = std::find_if_not(begin, points.end(), is_starter);
    const auto end = std::find_if(begin, points.end(), is_starter);
    std::sort(begin, end, [](const Point& a, const Point& b) {
      return std::tie(a.combining, a.place) < std::tie(b.combining, b.place);
    });
    begin = end;
  }
  return points;
}

}  // namespace

std::string NormalizeNfc(absl::string_view text) {
  const auto is_ascii = [](char c) {
    return static_cast<unsigned char>(c) < 0x80;
  };
  if (std::all_of(text.begin(), text.end(), is_ascii)) return std::string(text);
  model::Utf8Stream stream;
  std::string valid = stream.Push(text);
  valid += stream.Finish();
  std::vector<utf8proc_int32_t> codes;
  for (const Point& point : Decompose(valid)) codes.push_back(point.code);
  const utf8proc_ssize_t composed = utf8proc_normalize_utf32(
      codes.data(), static_cast<utf8proc_ssize_t>(codes.size()), kOptions);
  COOPER_CHECK(composed >= 0);
  std::string out;
  out.reserve(valid.size());
  for (utf8proc_ssize_t i = 0; i < composed; ++i) {
    utf8proc_uint8_t encoded[4];
    const utf8proc_ssize_t length = utf8proc_encode_char(codes[i], encoded);
    out.append(reinterpret_cast<const char*>(encoded), length);
  }
  return out;
}

}  // namespace cooper::tokenizer
