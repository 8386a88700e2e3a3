#ifndef COOPER_CLIENT_CLI_CHAT_SESSION_H_
#define COOPER_CLIENT_CLI_CHAT_SESSION_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "client/cli/call_record.h"
#include "client/cli/command.h"
#include "cooper/client/client.h"

namespace cooper::client {

// A conversation on the screen: one thread reads what the user types and calls
// Ask and HandleCommand, another runs ShowEvents. Both write to the console,
// under the lock.
class ChatSession {
 public:
  // `request`: the images and the options of all turns. `prompt`: a person is
  // at the keyboard.
  ChatSession(const CommandContext& context, ReportRequest request,
              v1::ReasonRequest first, std::shared_ptr<Conversation> call,
              bool prompt);

  // Waits until the turn under way has ended and asks the next question. False:
  // the call has ended.
  bool Ask(const std::string& question) ABSL_LOCKS_EXCLUDED(mutex_);
  // "/answer", "/nomaps", ...; false: "/quit".
  bool HandleCommand(const std::string& command) ABSL_LOCKS_EXCLUDED(mutex_);
  bool asked() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Shows a prompt where nothing runs.
  void Prompt() ABSL_LOCKS_EXCLUDED(mutex_);

  // Until the call ends.
  void ShowEvents() ABSL_LOCKS_EXCLUDED(mutex_);
  // After ShowEvents. The exit code.
  int End() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Show(Event event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndTurnLocked(const absl::Status& outcome)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PromptLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // An error of writing files or the screen ends the chat.
  void NoteWritten(const absl::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const CommandContext& context_;
  const std::shared_ptr<Conversation> call_;
  const bool prompt_;
  mutable absl::Mutex mutex_;
  ReportRequest request_ ABSL_GUARDED_BY(mutex_);
  v1::ReasonRequest first_ ABSL_GUARDED_BY(mutex_);
  int turns_ ABSL_GUARDED_BY(mutex_) = 0;  // asked
  bool running_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool any_event_ ABSL_GUARDED_BY(mutex_) = false;
  bool answered_ ABSL_GUARDED_BY(mutex_) = true;  // the last turn
  absl::Status written_ ABSL_GUARDED_BY(mutex_);
  std::optional<CallRecord> record_ ABSL_GUARDED_BY(mutex_);  // of the turn
};

}  // namespace cooper::client

#endif  // COOPER_CLIENT_CLI_CHAT_SESSION_H_
