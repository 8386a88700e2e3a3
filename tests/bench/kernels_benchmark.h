#ifndef COOPER_TESTS_BENCH_KERNELS_BENCHMARK_H_
#define COOPER_TESTS_BENCH_KERNELS_BENCHMARK_H_

namespace cooper::bench {

// Adds the benchmarks of the kernels of one core: packed products by rows of x
// and attention over a paged cache by its length, by every instruction set
// that the processor has.
void RegisterKernels();

}  // namespace cooper::bench

#endif  // COOPER_TESTS_BENCH_KERNELS_BENCHMARK_H_
