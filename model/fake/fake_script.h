#ifndef COOPER_MODEL_FAKE_FAKE_SCRIPT_H_
#define COOPER_MODEL_FAKE_FAKE_SCRIPT_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "model/options.h"
#include "model/unified_model.h"

namespace cooper::fake {

// Texts of one kind of question, in the order of its turns; the last one is
// repeated. A turn counts once its text was appended to the context.
struct FakeTexts {
  std::string match;  // chosen where a text of the context holds this
  std::vector<std::string> texts;
};

// How long things take.
struct FakeDelays {
  absl::Duration append, prefill_token;  // per call, per row
  absl::Duration decode, decode_item;    // per call, per context
  absl::Duration flow_layer;             // per layer, whatever the batch
  absl::Duration latents;                // per map
  absl::Duration warm_up;
};

// Something that goes wrong.
struct FakeFault {
  enum class Call {
    kPrefill,
    kDecode,
    kStartDenoise,
    kDenoiseSlice,
    kVaeDecode,
    kWarmUp
  };
  enum class Effect {
    kStatus,  // the call returns INTERNAL: the device failed
    kThrow,   // the call throws std::runtime_error
    kItem,    // only the item whose context's text holds `match` fails
    // The calls from the nth to the `last` run out of memory where they have
    // more than `above` items, and one of them has a context whose text holds
    // `match`.
    kOutOfMemory,
    kStall,  // the call takes `stall` longer
    kLeak,   // the call, and each one after it, takes `leak_kib` for ever
  };
  Call call = Call::kDecode;
  Effect effect = Effect::kStatus;
  // Counts calls of that kind from 1; kItem, kOutOfMemory, kLeak: from there
  // on.
  int nth = 1;
  std::string match;  // empty: any text
  absl::StatusCode item_code = absl::StatusCode::kInternal;
  int above = 0;         // kOutOfMemory
  int last = 0;          // kOutOfMemory: the last call that fails; 0: no end
  absl::Duration stall;  // kStall
  int64_t leak_kib = 0;  // kLeak
};

// What the fake model is and does. As JSON, every key optional:
//   {"name": "fake",
//    "kv_capacity_tokens": 1000000, "max_positions": 0,
//    "vae_rule": {"max_size": 1024, "min_size": 512, "stride": 16},
//    "vit_rule": {"max_size": 518, "min_size": 224, "stride": 14},
//    "can_reason": true, "can_generate_maps": true,
//    "can_converse": true, "can_generate_images": true,
//    "flow_layers": 4,
//    "delays_us": {"append": 0, "prefill_token": 0, "decode": 0,
//                  "decode_item": 0, "flow_layer": 0, "latents": 0,
//                  "warm_up": 0},
//    "scripts": [{"match": "part of a question", "texts": ["turn 0", ...]}],
//    "default": ["turn 0", ...],
//    "faults": [{"call":
//    "append|decode|start_denoise|denoise_slice|latents|warm_up",
//                "effect": "status|throw|item|out_of_memory|stall|leak",
//                "nth": 1, "match": "", "above": 0, "last": 0,
//                "stall_us": 0, "leak_kib": 0}],
//    "gpu_memory": {"allocated": 0, "reserved": 0, "free": 0}}
// The first script whose `match` is found is taken, else "default".
struct FakeScript {
  std::string name = "fake";
  int64_t kv_capacity_tokens = 1000000;
  int64_t max_positions = 0;  // 0: not limited
  model::ImageRule vae_rule;
  model::ImageRule vit_rule{518, 224, 14, int64_t{14} * 14 * 9 * 1024};
  bool can_reason = true;
  bool can_generate_maps = true;
  bool can_converse = true;
  bool can_generate_images = true;
  int flow_layers = 4;
  FakeDelays delays;
  std::vector<FakeTexts> scripts;
  std::vector<std::string> texts = {
      "<think> I look. </think>\n"
      "<answer> Yes. \\boxed{yes} </answer>"};
  std::vector<FakeFault> faults;
  // What it says of its GPU; unset: it has none.
  std::optional<model::GpuMemory> gpu_memory;

  // INVALID_ARGUMENT naming the key that is wrong or unknown.
  static absl::StatusOr<FakeScript> FromJson(absl::string_view json);
};

}  // namespace cooper::fake

#endif  // COOPER_MODEL_FAKE_FAKE_SCRIPT_H_
