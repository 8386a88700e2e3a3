#include "model/fake/fake_script.h"

#include <initializer_list>
#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace cooper::fake {
namespace {

using nlohmann::json;

absl::Status Wrong(absl::string_view key, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(key, ": ", what));
}

// One JSON object, read key by key; whatever was not read is unknown.
class Fields {
 public:
  Fields(const json& object, absl::string_view path)
      : object_(object), path_(path) {
    if (!object.is_object()) Fail("", "must be an object");
  }

  void Read(const char* key, std::string* out) {
    if (const json* value = Find(key, &json::is_string, "must be a string")) {
      *out = value->get<std::string>();
    }
  }
  void Read(const char* key, bool* out) {
    if (const json* value = Find(key, &json::is_boolean, "must be a bool")) {
      *out = value->get<bool>();
    }
  }
  template <typename Integer>
  void ReadNumber(const char* key, Integer* out) {
    if (const json* value =
            Find(key, &json::is_number_integer, "must be an integer")) {
      *out = value->get<Integer>();
      if (*out < 0) Fail(key, "must not be negative");
    }
  }
  void Read(const char* key, absl::Duration* out) {
    int64_t microseconds = absl::ToInt64Microseconds(*out);
    ReadNumber(key, &microseconds);
    *out = absl::Microseconds(microseconds);
  }
  void Read(const char* key, std::vector<std::string>* out) {
    const json* value = Find(key, &json::is_array, "must be an array");
    if (value == nullptr) return;
    out->clear();
    for (const json& text : *value) {
      if (!text.is_string()) return Fail(key, "must hold strings");
      out->push_back(text.get<std::string>());
    }
    if (out->empty()) Fail(key, "must not be empty");
  }
  template <typename Enum>
  void Read(const char* key,
            std::initializer_list<std::pair<const char*, Enum>> names,
            Enum* out) {
    std::string name;
    if (Find(key, &json::is_string, "must be a string") == nullptr) return;
    Read(key, &name);
    for (const auto& [spelling, value] : names) {
      if (name != spelling) continue;
      *out = value;
      return;
    }
    Fail(key, absl::StrCat("unknown value \"", name, "\""));
  }
  template <typename Function>
  void ReadObject(const char* key, Function read) {
    const json* value = Find(key, &json::is_object, "must be an object");
    if (value == nullptr) return;
    Fields fields(*value, absl::StrCat(path_, key, "."));
    read(fields);
    Merge(fields.Finish());
  }
  template <typename Function>
  void ReadObjects(const char* key, Function read) {
    const json* value = Find(key, &json::is_array, "must be an array");
    for (size_t i = 0; value != nullptr && i < value->size(); ++i) {
      Fields fields((*value)[i], absl::StrCat(path_, key, "[", i, "]."));
      read(fields);
      Merge(fields.Finish());
    }
  }

  absl::Status Finish() {
    if (!status_.ok()) return status_;
    for (const auto& item : object_.items()) {
      bool known = false;
      for (const std::string& key : known_) known |= key == item.key();
      if (!known) return Wrong(absl::StrCat(path_, item.key()), "unknown key");
    }
    return absl::OkStatus();
  }

 private:
  const json* Find(const char* key, bool (json::*is)() const noexcept,
                   absl::string_view otherwise) {
    if (!status_.ok()) return nullptr;
    known_.emplace_back(key);
    const auto found = object_.find(key);
    if (found == object_.end()) return nullptr;
    if (((*found).*is)()) return &*found;
    Fail(key, otherwise);
    return nullptr;
  }
  void Fail(absl::string_view key, absl::string_view what) {
    Merge(Wrong(absl::StrCat(path_, key), what));
  }
  void Merge(absl::Status status) {
    if (status_.ok()) status_ = std::move(status);
  }

  const json& object_;
  std::string path_;
  std::vector<std::string> known_;
  absl::Status status_;
};

void ReadRule(Fields& fields, model::ImageRule* rule) {
  fields.ReadNumber("max_size", &rule->max_size);
  fields.ReadNumber("min_size", &rule->min_size);
  fields.ReadNumber("stride", &rule->stride);
  fields.ReadNumber("max_pixels", &rule->max_pixels);
}

FakeFault ReadFault(Fields& fields) {
  FakeFault fault;
  fields.Read("call",
              {{"append", FakeFault::Call::kPrefill},
               {"decode", FakeFault::Call::kDecode},
               {"start_denoise", FakeFault::Call::kStartDenoise},
               {"denoise_slice", FakeFault::Call::kDenoiseSlice},
               {"latents", FakeFault::Call::kVaeDecode},
               {"warm_up", FakeFault::Call::kWarmUp}},
              &fault.call);
  fields.Read("effect",
              {{"status", FakeFault::Effect::kStatus},
               {"throw", FakeFault::Effect::kThrow},
               {"item", FakeFault::Effect::kItem},
               {"out_of_memory", FakeFault::Effect::kOutOfMemory},
               {"stall", FakeFault::Effect::kStall},
               {"leak", FakeFault::Effect::kLeak}},
              &fault.effect);
  fields.ReadNumber("nth", &fault.nth);
  fields.Read("match", &fault.match);
  fields.ReadNumber("above", &fault.above);
  fields.ReadNumber("last", &fault.last);
  fields.Read("stall_us", &fault.stall);
  fields.ReadNumber("leak_kib", &fault.leak_kib);
  return fault;
}

}  // namespace

absl::StatusOr<FakeScript> FakeScript::FromJson(absl::string_view text) {
  const json root = json::parse(text.begin(), text.end(), nullptr,
                                /*allow_exceptions=*/false);
  if (root.is_discarded()) return Wrong("fake model", "not valid JSON");
  FakeScript script;
  Fields fields(root, "");
  fields.Read("name", &script.name);
  fields.ReadNumber("kv_capacity_tokens", &script.kv_capacity_tokens);
  fields.ReadNumber("max_positions", &script.max_positions);
  fields.ReadObject("vae_rule",
                    [&](Fields& f) { ReadRule(f, &script.vae_rule); });
  fields.ReadObject("vit_rule",
                    [&](Fields& f) { ReadRule(f, &script.vit_rule); });
  fields.Read("can_reason", &script.can_reason);
  fields.Read("can_generate_maps", &script.can_generate_maps);
  fields.Read("can_converse", &script.can_converse);
  fields.Read("can_generate_images", &script.can_generate_images);
  fields.ReadNumber("flow_layers", &script.flow_layers);
  fields.ReadObject("delays_us", [&](Fields& f) {
    f.Read("append", &script.delays.append);
    f.Read("prefill_token", &script.delays.prefill_token);
    f.Read("decode", &script.delays.decode);
    f.Read("decode_item", &script.delays.decode_item);
    f.Read("flow_layer", &script.delays.flow_layer);
    f.Read("latents", &script.delays.latents);
    f.Read("warm_up", &script.delays.warm_up);
  });
  fields.ReadObjects("scripts", [&](Fields& f) {
    FakeTexts texts;
    f.Read("match", &texts.match);
    f.Read("texts", &texts.texts);
    script.scripts.push_back(std::move(texts));
  });
  fields.Read("default", &script.texts);
  fields.ReadObjects("faults",
                     [&](Fields& f) { script.faults.push_back(ReadFault(f)); });
  fields.ReadObject("gpu_memory", [&](Fields& f) {
    model::GpuMemory& memory = script.gpu_memory.emplace();
    f.ReadNumber("allocated", &memory.allocated_bytes);
    f.ReadNumber("reserved", &memory.reserved_bytes);
    f.ReadNumber("free", &memory.free_bytes);
  });
  COOPER_RETURN_IF_ERROR(fields.Finish());
  for (const FakeTexts& texts : script.scripts) {
    if (texts.texts.empty()) return Wrong("scripts", "texts must not be empty");
  }
  if (script.vae_rule.stride < 1 || script.vit_rule.stride < 1) {
    return Wrong("vae_rule.stride, vit_rule.stride", "must be positive");
  }
  if (script.flow_layers < 1) return Wrong("flow_layers", "must be positive");
  return script;
}

}  // namespace cooper::fake
