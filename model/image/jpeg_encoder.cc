#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/image/codec.h"
#include "model/image/failure.h"
#include "model/image/jpeg_library.h"

namespace cooper::image {
namespace {

// libjpeg-turbo's writer behind a function that returns false on an error.
class JpegWriter {
 public:
  JpegWriter() = default;
  ~JpegWriter() { jpeg_destroy_compress(&codec_); }
  JpegWriter(const JpegWriter&) = delete;
  JpegWriter& operator=(const JpegWriter&) = delete;

  bool Write(const RgbImage& image, int quality);

  const char* words() const { return failure_.words; }
  std::string TakeFile() { return std::move(file_); }

 private:
  static void OnError(j_common_ptr codec) {
    char message[JMSG_LENGTH_MAX];
    codec->err->format_message(codec, message);
    static_cast<JpegWriter*>(codec->client_data)->failure_.Raise(message);
  }
  void Flush(size_t bytes) {
    file_.append(reinterpret_cast<const char*>(buffer_), bytes);
    target_.next_output_byte = buffer_;
    target_.free_in_buffer = sizeof(buffer_);
  }
  static JpegWriter* Self(j_compress_ptr codec) {
    return static_cast<JpegWriter*>(codec->client_data);
  }
  static void OnStart(j_compress_ptr codec) { Self(codec)->Flush(0); }
  static boolean OnFull(j_compress_ptr codec) {
    Self(codec)->Flush(sizeof(buffer_));
    return TRUE;
  }
  static void OnEnd(j_compress_ptr codec) {
    JpegWriter* self = Self(codec);
    self->Flush(sizeof(buffer_) - self->target_.free_in_buffer);
  }

  CodecFailure failure_;
  jpeg_error_mgr errors_ = {};
  jpeg_compress_struct codec_ = {};
  jpeg_destination_mgr target_ = {};
  JOCTET buffer_[16384];
  std::string file_;
};

bool JpegWriter::Write(const RgbImage& image, int quality) {
  if (setjmp(failure_.jump) != 0) return false;
  codec_.err = jpeg_std_error(&errors_);
  codec_.client_data = this;
  errors_.error_exit = &OnError;
  jpeg_create_compress(&codec_);
  target_.init_destination = &OnStart;
  target_.empty_output_buffer = &OnFull;
  target_.term_destination = &OnEnd;
  codec_.dest = &target_;
  codec_.image_width = static_cast<JDIMENSION>(image.size.width);
  codec_.image_height = static_cast<JDIMENSION>(image.size.height);
  codec_.input_components = 3;
  codec_.in_color_space = JCS_RGB;
  jpeg_set_defaults(&codec_);
  jpeg_set_quality(&codec_, quality, TRUE);
  jpeg_start_compress(&codec_, TRUE);
  const size_t row_bytes = size_t{codec_.image_width} * 3;
  while (codec_.next_scanline < codec_.image_height) {
    // libjpeg takes rows as mutable and does not change them.
    auto* row = const_cast<JSAMPLE*>(image.pixels.data() +
                                     codec_.next_scanline * row_bytes);
    jpeg_write_scanlines(&codec_, &row, 1);
  }
  jpeg_finish_compress(&codec_);
  return true;
}

}  // namespace

absl::StatusOr<std::string> EncodeJpeg(const RgbImage& image, int quality) {
  if (image.size.width <= 0 || image.size.height <= 0 ||
      image.pixels.size() != static_cast<size_t>(image.size.width) *
                                 static_cast<size_t>(image.size.height) * 3) {
    return absl::InternalError("the image to encode has no or wrong pixels");
  }
  JpegWriter writer;
  if (!writer.Write(image, quality)) {
    return absl::InternalError(
        absl::StrCat("JPEG encoding failed: ", writer.words()));
  }
  return writer.TakeFile();
}

}  // namespace cooper::image
