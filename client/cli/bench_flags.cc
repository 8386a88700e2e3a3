#include "client/cli/bench_flags.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/utf8.h"
#include "client/channel.h"
#include "client/cli/image_file.h"
#include "client/text.h"

using cooper::client::bench::RunOptions;

template <typename T>
using Optional = std::optional<T>;

ABSL_FLAG(int, concurrency, RunOptions{}.concurrency,
          "closed loop: requests at a time; each end begins the next");
ABSL_FLAG(Optional<double>, rate, std::nullopt,
          "open loop instead: requests a second, arriving at random "
          "(Poisson); latency counts from the arrival");
ABSL_FLAG(int, max_outstanding, RunOptions{}.max_outstanding,
          "of --rate: requests at a time at most; what arrives above it waits "
          "and is told");
ABSL_FLAG(Optional<absl::Duration>, duration, std::nullopt,
          "begin requests for this long after --warmup (10s; with --requests: "
          "no limit)");
ABSL_FLAG(absl::Duration, warmup, RunOptions{}.warmup,
          "requests begun so early are not counted, as 2s");
ABSL_FLAG(Optional<int64_t>, requests, std::nullopt,
          "end after so many counted requests");
ABSL_FLAG(int, clients, 1, "connections; requests go round them");
ABSL_FLAG(double, cancel_share, RunOptions{}.cancel_share,
          "part of the requests that is cancelled, 0 to 1");
ABSL_FLAG(absl::Duration, cancel_within, RunOptions{}.cancel_within,
          "of --cancel_share: cancel at a random time up to this");
ABSL_FLAG(std::string, mix, "ask",
          "what is asked, with weights, as ask=6,depth=3,segment=1; also "
          "text_only, perceive, generate");
ABSL_FLAG(std::vector<std::string>, image, {},
          "FILE,...: images; each request takes one");
ABSL_FLAG(std::string, question, "Which object is the nearest?",
          "what to ask; several: separated by |");
ABSL_FLAG(std::string, workload, "",
          "FILE: requests instead of --mix, one a line, sent in order: "
          "{\"method\": \"ask\", \"image\": \"a.png\", \"question\": \"...\", "
          "\"options\": {}}; paths are relative to the file");
ABSL_FLAG(std::string, samples, "", "FILE: one line of JSON a request");

namespace cooper::client {
namespace {

constexpr int kMostClients = 256;

absl::Status InFlag(absl::string_view flag, const absl::Status& status) {
  return absl::InvalidArgumentError(
      absl::StrCat("--", flag, ": ", status.message()));
}

absl::StatusOr<std::string> ImageBytes(const std::string& path) {
  auto image = ReadImage(path, 0);
  if (!image.ok()) return image.status();
  return std::move(image->bytes);
}

absl::StatusOr<bench::RequestOptions> ReadRequestOptions() {
  bench::RequestOptions options;
  absl::Status status = ReadOptions(&options.reason);
  status.Update(ReadOptions(&options.depth));
  status.Update(ReadOptions(&options.segment));
  status.Update(ReadOptions(&options.generate));
  if (!status.ok()) return status;
  return options;
}

absl::StatusOr<bench::Workload> FromFile(const std::string& path,
                                         const bench::RequestOptions& options) {
  auto text = ReadSmallFile(path, "workload");
  if (!text.ok()) return text.status();
  const auto folder = std::filesystem::path(path).parent_path();
  auto workload =
      bench::ParseWorkload(*text, options, [&](const std::string& image) {
        return ImageBytes((folder / image).string());
      });
  if (!workload.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--workload: ", path, ", ", workload.status().message()));
  }
  return workload;
}

absl::StatusOr<bench::Workload> FromFlags(
    const bench::RequestOptions& options) {
  auto mix = bench::ParseMix(absl::GetFlag(FLAGS_mix));
  if (!mix.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--", mix.status().message()));
  }
  std::vector<std::string> images;
  for (const std::string& path : absl::GetFlag(FLAGS_image)) {
    auto bytes = ImageBytes(path);
    if (!bytes.ok()) return InFlag("image", bytes.status());
    images.push_back(*std::move(bytes));
  }
  const std::string question = absl::GetFlag(FLAGS_question);
  if (!base::IsUtf8(question)) {
    return absl::InvalidArgumentError("--question is no UTF-8");
  }
  const std::vector<std::string> questions = absl::StrSplit(question, '|');
  auto workload = bench::MixedWorkload(*mix, images, questions, options);
  if (!workload.ok()) return InFlag("image", workload.status());
  return workload;
}

std::vector<Fact> FactsOf(const bench::RequestOptions& options) {
  std::vector<Fact> facts;
  const std::string file = absl::GetFlag(FLAGS_workload);
  if (!file.empty()) {
    facts.push_back({"workload", file});
  } else {
    facts.push_back({"mix", absl::GetFlag(FLAGS_mix)});
    facts.push_back({"image", absl::StrJoin(absl::GetFlag(FLAGS_image), ",")});
    facts.push_back({"question", absl::GetFlag(FLAGS_question)});
  }
  // Reason and GenerateImage have every option between them.
  std::vector<Fact> given = OptionsOf(options.reason);
  for (Fact& fact : OptionsOf(options.generate)) {
    const bool known =
        std::any_of(given.begin(), given.end(),
                    [&](const Fact& f) { return f.name == fact.name; });
    if (!known) given.push_back(std::move(fact));
  }
  facts.insert(facts.end(), given.begin(), given.end());
  return facts;
}

}  // namespace

const FlagNames& BenchFlags() {
  static const auto& names = *new FlagNames{
      "concurrency",   "rate",     "max_outstanding", "duration",
      "warmup",        "requests", "clients",         "mix",
      "image",         "question", "workload",        "cancel_share",
      "cancel_within", "samples"};
  return names;
}

absl::StatusOr<bench::RunOptions> ReadRunOptions() {
  bench::RunOptions options;
  options.concurrency = absl::GetFlag(FLAGS_concurrency);
  options.rate = absl::GetFlag(FLAGS_rate);
  options.max_outstanding = absl::GetFlag(FLAGS_max_outstanding);
  options.duration = absl::GetFlag(FLAGS_duration);
  options.warmup = absl::GetFlag(FLAGS_warmup);
  options.requests = absl::GetFlag(FLAGS_requests);
  options.cancel_share = absl::GetFlag(FLAGS_cancel_share);
  options.cancel_within = absl::GetFlag(FLAGS_cancel_within);
  v1::ReasonRequest request;
  if (ReadOptions(&request).ok() && request.has_seed()) {
    options.seed = request.seed();
  }
  const absl::Status status = options.Validate();
  if (!status.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("--", status.message()));
  }
  return options;
}

absl::StatusOr<int> ReadClients() {
  const int clients = absl::GetFlag(FLAGS_clients);
  if (clients < 1 || clients > kMostClients) {
    return absl::InvalidArgumentError(
        absl::StrCat("--clients must be in 1..", kMostClients));
  }
  return clients;
}

absl::StatusOr<BenchWorkload> ReadWorkload() {
  auto options = ReadRequestOptions();
  if (!options.ok()) return options.status();
  const std::string file = absl::GetFlag(FLAGS_workload);
  auto workload = file.empty() ? FromFlags(*options) : FromFile(file, *options);
  if (!workload.ok()) return workload.status();
  return BenchWorkload{*std::move(workload), FactsOf(*options)};
}

}  // namespace cooper::client
