#include "tests/bench/map_caller.h"

#include <cstdint>
#include <random>
#include <utility>

#include "model/image/codec.h"
#include "tests/bench/require.h"

namespace cooper::bench {

std::string Picture(int width, int height, int seed) {
  std::minstd_rand random(seed + 1);
  image::RgbImage picture;
  picture.size = {width, height};
  picture.pixels.reserve(static_cast<size_t>(width) * height * 3);
  // Tiles of one colour, about what a drawing has.
  constexpr int kTile = 16;
  for (int y = 0; y < height; ++y) {
    std::minstd_rand row(random());
    if (y % kTile != 0) {
      const size_t above = picture.pixels.size() - size_t{3} * width;
      for (int i = 0; i < 3 * width; ++i) {
        picture.pixels.push_back(picture.pixels[above + i]);
      }
      continue;
    }
    uint8_t colour[3] = {};
    for (int x = 0; x < width; ++x) {
      if (x % kTile == 0) {
        for (uint8_t& value : colour) value = static_cast<uint8_t>(row() >> 8);
      }
      picture.pixels.insert(picture.pixels.end(), colour, colour + 3);
    }
  }
  auto png = image::EncodePng(picture);
  Require(png.status());
  return *std::move(png);
}

v1::EstimateDepthRequest DepthOf(int width, int height, int seed, int steps) {
  v1::EstimateDepthRequest request;
  request.set_image(Picture(width, height, seed));
  request.mutable_flow()->set_num_timesteps(steps + 1);
  request.set_seed(1);
  return request;
}

MapCaller::MapCaller(std::unique_ptr<client::Client> client,
                     const v1::EstimateDepthRequest& request)
    : client_(std::move(client)),
      stream_(client_->EstimateDepth(request)),
      thread_([this] { Read(); }) {}

MapCaller::~MapCaller() {
  Cancel();
  thread_.join();
}

void MapCaller::Cancel() {
  {
    base::MutexLock lock(&mutex_);
    cancelled_ = true;
  }
  stream_->Cancel();
}

MapCaller::Time MapCaller::Await(Member what) {
  base::MutexLock lock(&mutex_);
  std::optional<Time>* const time = &(this->*what);
  mutex_.Await(absl::Condition(
      +[](std::optional<Time>* t) { return t->has_value(); }, time));
  return **time;
}

void MapCaller::Note(Member what) {
  base::MutexLock lock(&mutex_);
  if (!(this->*what).has_value()) {
    this->*what = std::chrono::steady_clock::now();
  }
}

void MapCaller::Read() {
  client::Event event;
  while (stream_->Next(&event)) {
    if (event.has_started()) Note(&MapCaller::admitted_);
    if (event.has_map_progress()) Note(&MapCaller::first_step_);
  }
  const absl::Status status = stream_->Finish();
  {
    base::MutexLock lock(&mutex_);
    if (!cancelled_) Require(status);
  }
  Note(&MapCaller::end_);
}

}  // namespace cooper::bench
