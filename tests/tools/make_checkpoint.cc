// Writes a checkpoint of random weights.

#include <cstdio>
#include <string>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "tests/tools/random_checkpoint.h"

ABSL_FLAG(std::string, shape, "nano", "nano, small or 7b");
ABSL_FLAG(int, layers, 0, "layers of the language model; 0: the shape's own");
ABSL_FLAG(uint64_t, seed, 0, "seed of the weights");
ABSL_FLAG(bool, no_weights, false,
          "write only the configuration and tokenizer files, for programs that "
          "draw random weights themselves");
ABSL_FLAG(std::string, out, "", "directory to write");

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage(
      "make_checkpoint --shape nano|small|7b [--layers N] [--no_weights]\n"
      "                --out DIR\n"
      "Writes a checkpoint of random weights, for tests and benchmarks.");
  absl::ParseCommandLine(argc, argv);
  const std::string out = absl::GetFlag(FLAGS_out);
  if (out.empty()) {
    std::fprintf(stderr, "make_checkpoint: --out is needed\n");
    return 2;
  }
  const auto shape = cooper::checkpoint::ShapeByName(
      absl::GetFlag(FLAGS_shape), absl::GetFlag(FLAGS_layers));
  if (!shape.ok()) {
    std::fprintf(stderr, "make_checkpoint: %s\n",
                 std::string(shape.status().message()).c_str());
    return 2;
  }
  const absl::Status status =
      absl::GetFlag(FLAGS_no_weights)
          ? cooper::checkpoint::WriteCheckpointFrame(*shape, out)
          : cooper::checkpoint::WriteRandomCheckpoint(
                *shape, absl::GetFlag(FLAGS_seed), out);
  if (!status.ok()) {
    std::fprintf(stderr, "make_checkpoint: %s\n",
                 std::string(status.message()).c_str());
    return 1;
  }
  std::printf(
      "%s: %.1f M parameters\n", out.c_str(),
      static_cast<double>(cooper::checkpoint::ParameterCount(*shape)) / 1e6);
  return 0;
}
