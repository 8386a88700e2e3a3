#include "model/checkpoint/weight_check.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/digest.h"
#include "base/status_macros.h"

namespace cooper::checkpoint {
namespace {

constexpr size_t kMaxThreads = 4;
constexpr size_t kBlockBytes = size_t{4} << 20;

}  // namespace

WeightCheck::WeightCheck(WeightFiles files)
    : files_(std::move(files)),
      unchecked_(files_.size()),
      statuses_(files_.size()) {}

WeightCheck::~WeightCheck() { stop_ = true; }

absl::StatusOr<std::unique_ptr<WeightCheck>> WeightCheck::Start(
    WeightFiles files) {
  std::unique_ptr<WeightCheck> check(new WeightCheck(std::move(files)));
  for (const auto& file : check->files_) {
    COOPER_ASSIGN_OR_RETURN(ExpectedDigest expected,
                            FindExpectedDigest(file->path()));
    check->expected_.push_back(std::move(expected));
  }
  const size_t threads =
      std::clamp(check->files_.size(), size_t{1}, kMaxThreads);
  check->pool_ =
      std::make_unique<base::WorkerPool>("checksum", static_cast<int>(threads));
  for (size_t i = 0; i < check->files_.size(); ++i) {
    check->pool_->Post([self = check.get(), i] {
      absl::Status status = self->CheckFile(i);
      base::MutexLock lock(&self->mutex_);
      self->statuses_[i] = std::move(status);
      --self->unchecked_;
    });
  }
  return check;
}

absl::Status WeightCheck::CheckFile(size_t index) {
  const SafetensorsFile& file = *files_[index];
  base::Hasher hasher;
  std::string block(std::min(kBlockBytes, file.file_bytes()), '\0');
  for (size_t done = 0; done < file.file_bytes();) {
    if (stop_) return absl::CancelledError("the check was given up");
    const size_t bytes = std::min(block.size(), file.file_bytes() - done);
    COOPER_RETURN_IF_ERROR(file.ReadRaw(done, bytes, block.data()));
    hasher.Add(block.data(), bytes);
    done += bytes;
    done_bytes_ += static_cast<int64_t>(bytes);
    if (model::LoadProgress* progress = progress_) {
      progress->Add(static_cast<int64_t>(bytes));
    }
  }
  const base::Digest digest = hasher.Finish();
  const ExpectedDigest& expected = expected_[index];
  if (digest == expected.digest) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat(file.path(), ": its SHA-256 is ", HexOf(digest), ", and ",
                   HexOf(expected.digest), " by ", expected.source));
}

absl::Status WeightCheck::Wait(model::LoadProgress* progress) {
  if (progress != nullptr) {
    int64_t total = 0;
    for (const auto& file : files_) {
      total += static_cast<int64_t>(file->file_bytes());
    }
    progress->Begin(model::LoadStage::kChecking, total - done_bytes_);
    progress_ = progress;
  }
  base::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(
      +[](size_t* unchecked) { return *unchecked == 0; }, &unchecked_));
  progress_ = nullptr;
  for (const absl::Status& status : statuses_) {
    COOPER_RETURN_IF_ERROR(status);
  }
  return absl::OkStatus();
}

}  // namespace cooper::checkpoint
