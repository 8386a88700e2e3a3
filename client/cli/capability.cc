#include "client/cli/capability.h"

#include "absl/strings/str_cat.h"
#include "client/text.h"

namespace cooper::client {

void WarnUnlessTrained(Capability capability, Client& client,
                       const CallOptions& options, Console* console) {
  const auto model = client.GetModel({}, options);
  if (!model.ok()) return;  // the call itself says why
  const bool converse = capability == Capability::kConverse;
  const bool told =
      converse ? model->has_can_converse() : model->has_can_generate_images();
  const bool trained =
      converse ? model->can_converse() : model->can_generate_images();
  if (!told || trained) return;
  console->Notice(absl::StrCat(
      "note: ", Printable(model->name()),
      converse ? " was not trained for further questions: answers after the "
                 "first mean little"
               : " was not trained to generate images: expect no likeness"));
}

}  // namespace cooper::client
