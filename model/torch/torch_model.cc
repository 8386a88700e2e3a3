#include "model/torch/torch_model.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>

#include <algorithm>
#include <map>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "model/torch/append_batch.h"
#include "model/torch/guard.h"
#include "model/torch/pixels.h"
#include "model/torch/sampler.h"
#include "server/base/status_macros.h"

namespace cooper::torch_model {
namespace {

PagedContext* Paged(model::Context* context) {
  return static_cast<PagedContext*>(context);
}

// A status that belongs to items rather than to the device.
bool IsItemError(const absl::Status& status) {
  return status.code() == absl::StatusCode::kResourceExhausted ||
         status.code() == absl::StatusCode::kInvalidArgument;
}

}  // namespace

TorchModel::~TorchModel() = default;

model::KvUsage TorchModel::kv_usage() const {
  return {pool_->used_pages() * pool_->page_bytes(),
          pool_->pages() * pool_->page_bytes()};
}

std::unique_ptr<model::Context> TorchModel::NewContext() {
  return std::make_unique<PagedContext>(pool_.get());
}

at::Tensor TorchModel::DrawNoise(model::NoiseSource* noise,
                                 at::IntArrayRef shape) const {
  at::Tensor values = at::empty(shape, at::TensorOptions(at::kFloat));
  noise->FillNormal(absl::MakeSpan(values.data_ptr<float>(), values.numel()));
  return values;
}

absl::Status TorchModel::CheckSegment(const model::Segment& segment) const {
  if (const auto* text = std::get_if<model::TextSegment>(&segment)) {
    for (const model::TokenId id : text->ids) {
      if (id < 0 || id >= llm_.vocab_size) {
        return absl::InvalidArgumentError(
            absl::StrCat("token ", id, " is not in the vocabulary"));
      }
    }
    if (text->ids.empty()) {
      return absl::InvalidArgumentError("a text segment without tokens");
    }
    return absl::OkStatus();
  }
  const auto check = [](const image::RgbImage& image, int stride, int side) {
    const auto fits = [&](int pixels) {
      return pixels > 0 && pixels % stride == 0 && pixels / stride <= side;
    };
    if (fits(image.size.width) && fits(image.size.height)) {
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError(
        absl::StrCat("an image of ", image.size.width, "x", image.size.height,
                     " px: sides must be multiples of ", stride,
                     " and at most ", stride * side));
  };
  if (const auto* latent = std::get_if<model::LatentImageSegment>(&segment)) {
    return check(*latent->image, info_.latent_stride, info_.max_latent_side);
  }
  return check(*std::get<model::VisionImageSegment>(segment).image,
               info_.vit_patch, cooper_.vit_max_num_patch_per_side);
}

absl::Status TorchModel::Append(absl::Span<model::AppendItem> items) {
  return AppendTraced(items, nullptr);
}

absl::Status TorchModel::AppendTraced(absl::Span<model::AppendItem> items,
                                      AppendTrace* trace) {
  return Guarded([&]() -> absl::Status {
    // Room first: a context whose room is not to be had loses all its items.
    std::map<PagedContext*, int64_t> rows;
    const auto tokens_of = [&](const model::Segment& segment) -> int64_t {
      if (const auto* text = std::get_if<model::TextSegment>(&segment)) {
        return static_cast<int64_t>(text->ids.size());
      }
      if (const auto* latent =
              std::get_if<model::LatentImageSegment>(&segment)) {
        const image::Size size = latent->image->size;
        return 2 + int64_t{size.width / info_.latent_stride} *
                       (size.height / info_.latent_stride);
      }
      return 2 + vision_->patches(
                     std::get<model::VisionImageSegment>(segment).image->size);
    };
    std::map<PagedContext*, absl::Status> refused;
    for (model::AppendItem& item : items) {
      PagedContext* const context = Paged(item.context);
      const absl::Status status = CheckSegment(*item.segment);
      if (status.ok()) {
        rows[context] += tokens_of(*item.segment);
      } else {
        refused[context] = status;
      }
    }
    for (const auto& [context, count] : rows) {
      if (refused.contains(context)) continue;
      const absl::Status status = context->Reserve(count);
      if (!status.ok()) refused[context] = status;
    }

    // Images that several items show are encoded once.
    std::map<const image::RgbImage*, at::Tensor> features;
    std::vector<const image::RgbImage*> images;
    for (const model::AppendItem& item : items) {
      const auto* vision = std::get_if<model::VisionImageSegment>(item.segment);
      if (vision == nullptr || refused.contains(Paged(item.context))) continue;
      if (features.emplace(vision->image.get(), at::Tensor()).second) {
        images.push_back(vision->image.get());
      }
    }
    if (!images.empty()) {
      const at::Tensor all = vision_->Encode(images);
      int64_t begin = 0;
      for (const image::RgbImage* image : images) {
        const int64_t count = vision_->patches(image->size);
        features[image] = all.narrow(0, begin, count);
        begin += count;
      }
    }

    AppendBatch batch;
    std::vector<model::AppendItem*> appended;
    for (model::AppendItem& item : items) {
      PagedContext* const context = Paged(item.context);
      const auto reason = refused.find(context);
      item.status = reason == refused.end() ? absl::OkStatus() : reason->second;
      if (!item.status.ok()) continue;
      EmbeddedSegment embedded;
      if (const auto* text = std::get_if<model::TextSegment>(item.segment)) {
        embedded.und = transformer_->Embed(text->ids);
        embedded.causal = true;
      } else if (const auto* latent =
                     std::get_if<model::LatentImageSegment>(item.segment)) {
        const at::Tensor moments =
            autoencoder_->Moments(NormalisedPixels(*latent->image));
        const at::Tensor sample = autoencoder_->Sample(
            moments,
            DrawNoise(latent->noise, {autoencoder_->z_channels(),
                                      moments.size(1), moments.size(2)}));
        const int64_t h = latent->image->size.height / info_.latent_stride;
        const int64_t w = latent->image->size.width / info_.latent_stride;
        embedded.und = delimiters_;
        embedded.gen =
            latents_->Embed(autoencoder_->Patchify(sample), 0.0f, h, w);
      } else {
        const auto& vision = std::get<model::VisionImageSegment>(*item.segment);
        embedded.und =
            at::cat({delimiters_.narrow(0, 0, 1), features[vision.image.get()],
                     delimiters_.narrow(0, 1, 1)});
      }
      batch.Add(context, embedded);
      appended.push_back(&item);
    }
    if (batch.empty()) return absl::OkStatus();

    Pass pass(transformer_.get(), batch.TakeInput(trace != nullptr));
    const std::vector<Segment> segments = pass.segments();
    std::vector<at::Tensor> inputs;
    const auto in_order = [&](const Segment& segment, const Rows& of) {
      at::Tensor und = of.und.narrow(0, segment.und_begin, segment.und_count);
      if (segment.gen_count == 0) return und;
      return at::cat({und.narrow(0, 0, 1),
                      of.gen.narrow(0, segment.gen_begin, segment.gen_count),
                      und.narrow(0, 1, 1)});
    };
    if (trace != nullptr) {
      for (const Segment& segment : segments) {
        inputs.push_back(in_order(segment, pass.hidden()).clone());
      }
    }
    pass.RunAll();
    batch.Commit();
    if (trace != nullptr) {
      const Rows outputs = pass.Finish();
      for (size_t i = 0; i < segments.size(); ++i) {
        trace->items.push_back(
            {inputs[i], batch.Positions(i), in_order(segments[i], outputs)});
      }
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<at::Tensor> TorchModel::Forward(
    const std::vector<PagedContext*>& contexts,
    const std::vector<model::TokenId>& tokens) {
  at::Tensor logits;
  COOPER_RETURN_IF_ERROR(Guarded([&] {
    const at::Tensor embedded = transformer_->Embed(tokens);
    AppendBatch batch;
    for (size_t i = 0; i < contexts.size(); ++i) {
      EmbeddedSegment segment;
      segment.und = embedded.narrow(0, static_cast<int64_t>(i), 1);
      segment.causal = true;
      batch.Add(contexts[i], segment);
    }
    Pass pass(transformer_.get(), batch.TakeInput(/*need_output=*/true));
    pass.RunAll();
    batch.Commit();
    logits = transformer_->Logits(pass.Finish().und);
    return absl::OkStatus();
  }));
  return logits;
}

absl::Status TorchModel::Decode(absl::Span<model::DecodeItem> items) {
  std::vector<PagedContext*> contexts;
  std::vector<model::TokenId> tokens;
  std::vector<model::DecodeItem*> served;
  for (model::DecodeItem& item : items) {
    item.status = CheckSegment(model::TextSegment{{item.token}});
    if (item.status.ok()) item.status = Paged(item.context)->Reserve(1);
    if (!item.status.ok()) continue;
    contexts.push_back(Paged(item.context));
    tokens.push_back(item.token);
    served.push_back(&item);
  }
  if (served.empty()) return absl::OkStatus();
  COOPER_ASSIGN_OR_RETURN(const at::Tensor all, Forward(contexts, tokens));
  const at::Tensor logits =
      all.narrow(1, 0, vocabulary_).to(at::kCPU).contiguous();
  const float* data = logits.const_data_ptr<float>();
  for (size_t i = 0; i < served.size(); ++i) {
    absl::StatusOr<model::TokenId> token =
        SampleToken(absl::MakeSpan(data + i * vocabulary_, vocabulary_),
                    served[i]->sampling, served[i]->noise);
    served[i]->status = token.status();
    if (token.ok()) served[i]->next = *token;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<model::Flow>> TorchModel::StartFlow(
    const model::FlowSpec& spec) {
  COOPER_RETURN_IF_ERROR(spec.options.Validate());
  const int stride = info_.latent_stride;
  const int64_t h = spec.size.height / stride;
  const int64_t w = spec.size.width / stride;
  if (h < 1 || w < 1 || spec.size.height % stride != 0 ||
      spec.size.width % stride != 0 || h > info_.max_latent_side ||
      w > info_.max_latent_side) {
    return absl::InvalidArgumentError(
        absl::StrCat("a map of ", spec.size.width, "x", spec.size.height,
                     " px: sides must be multiples of ", stride,
                     " and at most ", stride * info_.max_latent_side));
  }
  std::unique_ptr<model::Flow> flow;
  COOPER_RETURN_IF_ERROR(Guarded([&] {
    const at::Tensor x = DrawNoise(spec.noise, {h * w, latents_->channels()});
    flow = std::make_unique<TorchFlow>(spec, x.to(device_.device), h, w);
    return absl::OkStatus();
  }));
  return flow;
}

absl::StatusOr<std::unique_ptr<model::FlowStep>> TorchModel::BeginFlowStep(
    absl::Span<model::Flow* const> flows) {
  std::unique_ptr<model::FlowStep> step;
  COOPER_RETURN_IF_ERROR(Guarded([&] {
    step = std::make_unique<TorchFlowStep>(transformer_.get(), latents_.get(),
                                           device_, delimiters_, flows);
    return absl::OkStatus();
  }));
  return step;
}

absl::Status TorchModel::DecodeLatents(
    absl::Span<model::DecodeLatentsItem> items) {
  for (model::DecodeLatentsItem& item : items) {
    const auto* flow = static_cast<const TorchFlow*>(item.flow);
    const absl::Status status = Guarded([&] {
      const at::Tensor latents = flow->Latents(item.estimate);
      item.status = absl::OkStatus();
      if (!at::isfinite(latents).all().item<bool>()) {
        item.status = absl::InternalError("latents are not finite");
        return absl::OkStatus();
      }
      item.image = ToFloatImage(autoencoder_->Decode(
          autoencoder_->Unpatchify(latents, flow->h(), flow->w())));
      return absl::OkStatus();
    });
    if (IsItemError(status)) {
      item.status = status;
    } else if (!status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace cooper::torch_model
