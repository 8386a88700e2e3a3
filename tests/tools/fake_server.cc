// cooper_fake_server: cooper_server with a scripted model, for tests of what
// surrounds the model.
#include <string>

#include "absl/flags/flag.h"
#include "absl/status/status.h"
#include "base/status_macros.h"
#include "model/fake/fake_model.h"
#include "server/flags.h"
#include "server/program.h"

ABSL_FLAG(std::string, script, "", "JSON script of the fake model. Required.");

namespace {

absl::Status ChooseModel(cooper::LifecycleOptions* options) {
  const std::string script = absl::GetFlag(FLAGS_script);
  if (script.empty()) return absl::InvalidArgumentError("script: required");
  // The flags of the model that this one stands for are checked all the same.
  cooper::ModelSource source;
  COOPER_RETURN_IF_ERROR(cooper::ReadModelFlags(options->engine, &source));
  options->load = [script](cooper::model::LoadProgress*) {
    return cooper::fake::LoadFakeModel(script);
  };
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  return cooper::RunProgram(argc, argv, "tests/tools/fake_server.cc",
                            ChooseModel);
}
