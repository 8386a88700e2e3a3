#include "model/image/png_chunks.h"

#include <png.h>
#include <zlib.h>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "model/image/exif.h"
#include "model/image/rejection.h"

namespace cooper::image {
namespace {

constexpr size_t kSignatureBytes = 8;
constexpr size_t kColourTypeOffset = 25;     // in IHDR, the first chunk
constexpr size_t kHeaderBytes = 8;           // length and type
constexpr size_t kChunkOverhead = 12;        // length, type, CRC
constexpr uint32_t kMaxLength = 0x7fffffff;  // bytes
// Set in the first letter of ancillary chunks.
constexpr char kAncillaryBit = 0x20;

struct Chunk {
  absl::string_view type;
  absl::string_view data;
  absl::string_view all;  // from length to CRC
};

absl::Status Truncated(absl::string_view where) {
  return Reject(Rejection::kCorrupt,
                absl::StrCat("truncated PNG: the data ends in ", where));
}

// The chunk at `offset`, if all of it is there.
absl::StatusOr<Chunk> ChunkAt(absl::string_view bytes, size_t offset) {
  const absl::string_view rest = bytes.substr(offset);
  if (rest.size() < kHeaderBytes) return Truncated("a chunk header");
  const uint32_t length = ReadPngInteger(rest, 0);
  const absl::string_view type = rest.substr(4, 4);
  if (length > kMaxLength) {
    return Reject(Rejection::kCorrupt,
                  "corrupt PNG: a chunk length is over 2^31-1");
  }
  if (rest.size() < kChunkOverhead + length) {
    return Truncated(absl::StrCat("chunk ", type));
  }
  return Chunk{type, rest.substr(kHeaderBytes, length),
               rest.substr(0, kChunkOverhead + length)};
}

bool ChecksumFits(const Chunk& chunk) {
  const absl::string_view covered =
      chunk.all.substr(4, chunk.all.size() - kHeaderBytes);
  const uLong crc = crc32_z(0, reinterpret_cast<const Bytef*>(covered.data()),
                            covered.size());
  return crc == ReadPngInteger(chunk.all, chunk.all.size() - 4);
}

// Whether pixels of the colour type may depend on the chunk.
bool MattersToPixels(absl::string_view type, int colour_type) {
  if (type == "PLTE") return colour_type == PNG_COLOR_TYPE_PALETTE;
  if (type == "tRNS") return (colour_type & PNG_COLOR_MASK_ALPHA) == 0;
  return (type[0] & kAncillaryBit) == 0;
}

// Adds `piece` to the last one where it follows that in the file.
void AddPiece(absl::string_view piece, std::vector<absl::string_view>* pieces) {
  if (!pieces->empty() &&
      pieces->back().data() + pieces->back().size() == piece.data()) {
    pieces->back() = absl::string_view(pieces->back().data(),
                                       pieces->back().size() + piece.size());
    return;
  }
  pieces->push_back(piece);
}

}  // namespace

uint32_t ReadPngInteger(absl::string_view bytes, size_t offset) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) {
    value = value << 8 | static_cast<uint8_t>(bytes[offset + i]);
  }
  return value;
}

absl::StatusOr<PngParts> ReadPngParts(absl::string_view bytes) {
  const int colour_type = static_cast<uint8_t>(bytes[kColourTypeOffset]);
  PngParts parts;
  AddPiece(bytes.substr(0, kSignatureBytes), &parts.pieces);
  enum class Place { kBefore, kWithin, kAfter } place = Place::kBefore;
  bool turned = false;
  for (size_t offset = kSignatureBytes;;) {
    const absl::StatusOr<Chunk> chunk = ChunkAt(bytes, offset);
    if (!chunk.ok()) {
      const bool cuts_pixels = place == Place::kWithin &&
                               bytes.size() - offset >= kHeaderBytes &&
                               bytes.substr(offset + 4, 4) == "IDAT";
      if (place == Place::kBefore || cuts_pixels) return chunk.status();
      parts.ends_early = true;
      return parts;
    }
    const bool is_pixels = chunk->type == "IDAT";
    if (is_pixels && place == Place::kBefore) place = Place::kWithin;
    if (!is_pixels && place == Place::kWithin) place = Place::kAfter;
    if (place != Place::kAfter && MattersToPixels(chunk->type, colour_type) &&
        chunk->type != "IEND") {
      AddPiece(chunk->all, &parts.pieces);
    }
    if (chunk->type == "eXIf" && !turned && ChecksumFits(*chunk)) {
      parts.orientation = ExifOrientation(chunk->data);
      turned = true;
    }
    if (chunk->type == "IEND") break;
    offset += chunk->all.size();
  }
  if (place == Place::kBefore) {
    return Reject(Rejection::kCorrupt, "corrupt PNG: there is no IDAT chunk");
  }
  return parts;
}

}  // namespace cooper::image
