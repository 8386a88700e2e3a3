// cooper_server: serves a checkpoint.
#include "absl/status/status.h"
#include "base/status_macros.h"
#include "server/flags.h"
#include "server/model_loader.h"
#include "server/program.h"

namespace {

absl::Status ChooseModel(cooper::LifecycleOptions* options) {
  cooper::ModelSource source;
  COOPER_RETURN_IF_ERROR(cooper::ReadModelFlags(options->engine, &source));
  options->load = [source](cooper::model::LoadProgress* progress) {
    return cooper::LoadModel(source, progress);
  };
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  cooper::PrepareProcess(argv);
  return cooper::RunProgram(argc, argv, /*more_flags=*/"", ChooseModel);
}
