#include "client/cli/chat_session.h"

#include <filesystem>
#include <iostream>
#include <utility>

#include "absl/flags/flag.h"
#include "absl/strings/str_cat.h"
#include "client/cli/error_printer.h"
#include "client/cli/exit_code.h"

namespace cooper::client {

ChatSession::ChatSession(const CommandContext& context, ReportRequest request,
                         v1::ReasonRequest first,
                         std::shared_ptr<Conversation> call, bool prompt)
    : context_(context),
      call_(std::move(call)),
      prompt_(prompt),
      request_(std::move(request)),
      first_(std::move(first)) {}

bool ChatSession::Ask(const std::string& question) {
  v1::ConverseRequest message;
  {
    absl::MutexLock lock(&mutex_);
    const auto idle = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return !running_ || ended_;
    };
    mutex_.Await(absl::Condition(&idle));
    if (ended_) return false;
    std::optional<OutputFolder> folder;
    const auto out = absl::GetFlag(FLAGS_out);
    if (out.has_value()) {
      auto created = OutputFolder::Create(
          (std::filesystem::path(*out) / absl::StrCat("turn", turns_))
              .string());
      NoteWritten(created.status());
      if (!created.ok()) return false;
      folder = *std::move(created);
    }
    request_.text = question;
    if (turns_++ == 0) {
      first_.add_inputs()->set_text(question);
      *message.mutable_start()->mutable_reason() = std::move(first_);
    } else {
      message.mutable_ask()->add_inputs()->set_text(question);
    }
    record_.emplace(request_, /*print_regions=*/false, context_.console,
                    std::move(folder));
    running_ = true;
    context_.interrupt->SetHandler([call = call_] {
      v1::ConverseRequest cancel;
      cancel.mutable_cancel();
      call->Send(cancel);
    });
  }
  return call_->Send(message);
}

bool ChatSession::HandleCommand(const std::string& command) {
  v1::ConverseRequest message;
  if (command == "/quit") return false;
  if (command == "/answer") {
    message.mutable_answer_now();
  } else if (command == "/nomaps") {
    message.mutable_no_more_maps();
  } else {
    absl::MutexLock lock(&mutex_);
    context_.console->Notice(
        "/answer: answer now; /nomaps: no more maps; /quit: leave");
    PromptLocked();
    return true;
  }
  bool started = false;
  {
    absl::MutexLock lock(&mutex_);
    started = turns_ > 0;
    if (!running_) {
      if (!started) context_.console->Notice("ask something first");
      PromptLocked();
    }
  }
  if (started) call_->Send(message);
  return true;
}

bool ChatSession::asked() const {
  absl::MutexLock lock(&mutex_);
  return turns_ > 0;
}

void ChatSession::Prompt() {
  absl::MutexLock lock(&mutex_);
  PromptLocked();
}

void ChatSession::PromptLocked() {
  if (prompt_ && !running_ && !ended_) std::cerr << "> " << std::flush;
}

void ChatSession::ShowEvents() {
  Event event;
  while (call_->Next(&event)) {
    absl::MutexLock lock(&mutex_);
    any_event_ = true;
    Show(std::move(event));
    if (!context_.console->good()) {
      NoteWritten(absl::DataLossError("cannot write to standard output"));
    }
    if (!written_.ok()) call_->Cancel();
  }
  absl::MutexLock lock(&mutex_);
  ended_ = true;
}

void ChatSession::Show(Event event) {
  if (event.has_session() || event.has_turn_cancelled()) {
    if (absl::GetFlag(FLAGS_json)) {
      const auto line = ToJson(event);
      NoteWritten(line.status());
      if (line.ok()) context_.console->Line(*line);
    }
    if (event.has_turn_cancelled()) {
      context_.console->Problem("cooper: the turn was cancelled");
      answered_ = false;
      EndTurnLocked(absl::CancelledError("cancelled"));
    }
    return;
  }
  const bool finished = event.has_finished();
  if (finished) {
    answered_ = event.finished().reason() == v1::FINISH_REASON_ANSWERED;
  }
  NoteWritten(record_->Take(std::move(event)));
  if (finished) EndTurnLocked(absl::OkStatus());
}

void ChatSession::EndTurnLocked(const absl::Status& outcome) {
  context_.interrupt->SetHandler(nullptr);
  NoteWritten(record_->End(outcome));
  running_ = false;
  PromptLocked();
}

void ChatSession::NoteWritten(const absl::Status& status) {
  written_.Update(status);
}

int ChatSession::End() {
  absl::Status outcome = call_->Finish();
  absl::MutexLock lock(&mutex_);
  context_.interrupt->SetHandler(nullptr);
  if (!written_.ok()) outcome = written_;
  if (running_) {
    // Its report shows what came, though the call failed.
    const absl::Status kept = record_->End(outcome);
    outcome.Update(kept);
  }
  if (!outcome.ok()) {
    PrintError(outcome, context_.console);
    return ExitCodeOf(outcome, any_event_);
  }
  return answered_ ? kAnswered : kFailed;
}

}  // namespace cooper::client
