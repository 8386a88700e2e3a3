#ifndef COOPER_TESTS_BENCH_GPU_REQUEST_H_
#define COOPER_TESTS_BENCH_GPU_REQUEST_H_

#include "tests/bench/gpu/bench.h"

namespace cooper::bench {

// A denoising step: measured, and its floor.
struct StepSeconds {
  double measured = 0.0;
  double floor = 0.0;
};

// Steps of a map with and without guidance: after an image under three
// branches, after a text alone under two.
struct RequestSteps {
  StepSeconds image_guided, image_plain;
  StepSeconds text_guided, text_plain;
};

// Whole requests for one map of `side` px, put together from their steps: the
// prefill and the decoding of the map are measured here.
void AddRequests(Bench& bench, int side, const RequestSteps& steps);

}  // namespace cooper::bench

#endif  // COOPER_TESTS_BENCH_GPU_REQUEST_H_
