#ifndef COOPER_MODEL_TORCH_THREADS_H_
#define COOPER_MODEL_TORCH_THREADS_H_

namespace cooper::torch_model {

// Call first in main(), before any thread is started.
//
// libtorch's OpenMP threads wait for the next operator by spinning for
// milliseconds. On virtual machines and shared cores that starves the thread
// they wait for: a token took twenty times as long. The runtime reads its
// settings when it is loaded, before main(), so the program starts itself once
// more with a short spin. Does nothing where GOMP_SPINCOUNT or
// OMP_WAIT_POLICY is set: the operator's choice stands.
void RestartWithShortSpin(char** argv);

}  // namespace cooper::torch_model

#endif  // COOPER_MODEL_TORCH_THREADS_H_
