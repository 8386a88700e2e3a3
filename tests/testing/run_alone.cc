#include "tests/testing/run_alone.h"

#include <limits>
#include <utility>
#include <vector>

#include "base/check.h"

namespace cooper::engine {
namespace {

constexpr int64_t kNoLimit = std::numeric_limits<int64_t>::max();

}  // namespace

absl::Status RunAlone(model::UnifiedModel* model, Execution* execution,
                      const ShowMap& show) {
  while (true) {
    switch (execution->state()) {
      case Execution::State::kPrefill: {
        std::vector<model::PrefillItem> items;
        execution->TakePrefills(kNoLimit, &items);
        absl::Status status = model->Prefill(absl::MakeSpan(items));
        if (!status.ok()) return status;
        execution->OnPrefilled(items);
        break;
      }
      case Execution::State::kDecode: {
        model::DecodeItem item = execution->TakeDecode();
        absl::Status status = model->Decode(absl::MakeSpan(&item, 1));
        if (!status.ok()) return status;
        execution->OnDecoded(item);
        break;
      }
      case Execution::State::kDenoiseStart: {
        absl::Status status = execution->StartDenoise();
        if (!status.ok()) return status;
        break;
      }
      case Execution::State::kDenoiseStep: {
        model::Denoiser* denoiser = execution->denoiser();
        auto step = model->BeginDenoiseStep(absl::MakeConstSpan(&denoiser, 1));
        if (!step.ok()) return step.status();
        const auto done = (*step)->RunSlice(absl::InfiniteDuration());
        if (!done.ok()) return done.status();
        COOPER_CHECK(*done);
        step->reset();
        execution->OnDenoiseStep();
        break;
      }
      case Execution::State::kVaeDecode: {
        model::VaeDecodeItem item = execution->TakeVaeDecode();
        absl::Status status = model->VaeDecode(absl::MakeSpan(&item, 1));
        if (!status.ok()) return status;
        execution->OnVaeDecoded(std::move(item));
        break;
      }
      case Execution::State::kRender: {
        std::shared_ptr<const DrawnMap> map = execution->TakeRender()();
        execution->OnRendered(show == nullptr ? map : show(std::move(map)));
        break;
      }
      case Execution::State::kFinished:
        return absl::OkStatus();
      case Execution::State::kFailed:
        return execution->status();
    }
  }
}

}  // namespace cooper::engine
