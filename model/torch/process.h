#ifndef COOPER_MODEL_TORCH_PROCESS_H_
#define COOPER_MODEL_TORCH_PROCESS_H_

namespace cooper::torch_model {

// Settings of the process that a network on the CPU wants. Call first in
// main(), before any thread is started. What an operator has set in the
// environment stands.
//
// - libtorch's OpenMP threads wait for the next operator by spinning for
//   milliseconds. On virtual machines and shared cores that starves the thread
//   they wait for: a token took twenty times as long. The runtime reads
//   GOMP_SPINCOUNT (or OMP_WAIT_POLICY) when it is loaded, before main(), so
//   the program starts itself once more with a short spin.
// - malloc takes large blocks from the system one by one and gives them back:
//   every operator's result is then new pages, each of which the kernel clears.
//   That took a twentieth of a large denoising step. The heap keeps up to 256
//   MiB instead (MALLOC_TRIM_THRESHOLD_, MALLOC_MMAP_THRESHOLD_).
void PrepareProcess(char** argv);

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_PROCESS_H_
