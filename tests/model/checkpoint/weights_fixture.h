#ifndef COOPER_TESTS_MODEL_CHECKPOINT_WEIGHTS_FIXTURE_H_
#define COOPER_TESTS_MODEL_CHECKPOINT_WEIGHTS_FIXTURE_H_

#include <functional>
#include <string>
#include <vector>

#include "model/checkpoint/safetensors.h"
#include "tests/model/checkpoint/temp_directory.h"
#include "tests/tools/safetensors_writer.h"

namespace cooper::testing {

inline const std::string kNano = COOPER_TEST_DATA "/goldens/nano";

// The name that a tensor gets; empty: it is left out.
using Rename = std::function<std::string(const std::string& name)>;

// Writes a weight file of `from`'s tensors, renamed, and of `more`, filled with
// zeros.
void CopyWeights(
    const std::string& from, const std::string& to, const Rename& rename,
    const std::vector<checkpoint::SafetensorsWriter::Entry>& more = {});

// A weight file of one tensor of one byte.
void WriteOneTensor(const std::string& path, const std::string& name,
                    uint8_t value = 0);

// Links to the nano checkpoint's files, all but those named.
void LinkNano(const TempDirectory& directory,
              const std::vector<std::string>& without = {});

// Moves every file into a folder of blobs named by number, and leaves a link
// with a relative target in its place, as the hub's cache does.
void MoveToBlobs(const TempDirectory& directory, const std::string& blobs);

}  // namespace cooper::testing

#endif  // COOPER_TESTS_MODEL_CHECKPOINT_WEIGHTS_FIXTURE_H_
