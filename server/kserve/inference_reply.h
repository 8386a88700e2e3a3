#ifndef COOPER_SERVER_KSERVE_INFERENCE_REPLY_H_
#define COOPER_SERVER_KSERVE_INFERENCE_REPLY_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "inference/grpc_service.pb.h"
#include "server/engine/core/event.h"
#include "server/kserve/inference_models.h"

namespace cooper::kserve {

// Makes of the events of one request its response, or on a stream its
// responses: of a decoupled model one a piece of text and one a map, and then
// the final one. Not thread-safe.
class InferenceReply {
 public:
  // `outputs`: names of the tensors that are wanted, in their order.
  InferenceReply(const InferenceModel* model, std::vector<std::string> outputs,
                 bool streamed)
      : model_(*model), outputs_(std::move(outputs)), streamed_(streamed) {}

  // Keeps of the event what the final response needs. True where the event
  // gives a response of its own, whose outputs were added to `response`,
  // which has none yet.
  bool Take(const engine::Event& event,
            inference::ModelInferResponse* response);

  // Adds the outputs of the final response, after the last event.
  void Finish(inference::ModelInferResponse* response);

  // About how many bytes of the events taken are kept.
  int64_t bytes() const { return bytes_; }

 private:
  struct Piece {
    int turn;
    engine::TextChannel channel;
    std::string text;
  };
  struct Map {
    model::MapKind kind;
    std::shared_ptr<const std::string> png;
  };

  bool wants(absl::string_view output) const;
  bool TakeText(const engine::TextDeltaEvent& event,
                inference::ModelInferResponse* response);
  bool TakeMap(const engine::MapEvent& event,
               inference::ModelInferResponse* response);
  void AddPieces(absl::string_view output,
                 inference::ModelInferResponse* response) const;
  void AddMaps(absl::string_view output,
               inference::ModelInferResponse* response) const;
  // One output of the final response.
  void AddFinal(absl::string_view output,
                inference::ModelInferResponse* response) const;

  const InferenceModel& model_;
  const std::vector<std::string> outputs_;
  const bool streamed_;
  int64_t bytes_ = 0;
  uint64_t seed_ = 0;
  std::string thoughts_;
  int thoughts_turn_ = 0;              // of their end
  std::vector<Piece> pieces_;          // not of a streamed request
  std::vector<Map> maps_;              // likewise
  engine::MapEvent values_, display_;  // of models that generate one map
  engine::FinishedEvent end_;
};

}  // namespace cooper::kserve

#endif  // COOPER_SERVER_KSERVE_INFERENCE_REPLY_H_
