#include "server/engine/execution/context_plan.h"

#include "base/check.h"

namespace cooper::engine {
namespace {

constexpr int kNothing = -1;  // a branch without a context, a spent register

size_t Index(Branch branch) { return static_cast<size_t>(branch); }

// What branches and registers hold is told by a number: a state. States that
// were equal at the start have equal lineage; each encoding makes a new one.
class Planner {
 public:
  Planner(const std::vector<ContextOp>& ops, const ContextBranches& branches,
          const std::vector<std::optional<Branch>>& starts_with)
      : ops_(ops), starts_with_(starts_with) {
    std::vector<uint64_t> lineages;
    const auto state_of = [&lineages](uint64_t lineage) {
      for (size_t i = 0; i < lineages.size(); ++i) {
        if (lineages[i] == lineage) return static_cast<int>(i);
      }
      lineages.push_back(lineage);
      return static_cast<int>(lineages.size() - 1);
    };
    registers_.assign(kBranches, kNothing);
    slot_state_.fill(kNothing);
    text_parent_.fill(kNothing);
    for (size_t i = 0; i < kBranches; ++i) {
      if (!branches.exists[i]) continue;
      if (i == Index(Branch::kScratch) || i == Index(Branch::kScratchStart)) {
        text_parent_[i] = state_of(branches.scratch_parent);
        continue;
      }
      registers_[i] = slot_state_[i] = state_of(branches.lineage[i]);
    }
    states_ = static_cast<int>(lineages.size());
    before_.resize(ops.size());
    after_.resize(ops.size());
    plan_.encoded_by.assign(ops.size(), -1);
  }

  ContextPlan Plan() {
    for (size_t i = 0; i < ops_.size(); ++i) {
      before_[i] = after_[i] = kNothing;
      if (const auto* fork = std::get_if<ForkOp>(&ops_[i])) {
        slot_state_[Index(fork->to)] = slot_state_[Index(fork->from)];
      } else {
        Append(static_cast<int>(i), std::get<PrefillOp>(ops_[i]));
      }
    }
    Bind();
    plan_.registers = static_cast<int>(registers_.size());
    return std::move(plan_);
  }

 private:
  void Append(int op, const PrefillOp& append) {
    int& state = slot_state_[Index(append.branch)];
    COOPER_CHECK(state != kNothing);
    before_[op] = state;
    const int shared = SharedWith(op, append);
    if (shared >= 0) {
      plan_.encoded_by[op] = shared;
      after_[op] = state = after_[shared];
      return;
    }
    plan_.encoded_by[op] = op;
    after_[op] = states_;
    const std::optional<Branch> start = starts_with_[op];
    if (start.has_value() && text_parent_[Index(*start)] == state) {
      registers_[Index(*start)] = states_;
      text_parent_[Index(*start)] = kNothing;
      plan_.steps.push_back(
          {ContextStep::Kind::kPrefillTail, 0, static_cast<int>(*start), op});
    } else {
      const int target = TakeRegister(append.branch, state);
      registers_[target] = states_;
      plan_.steps.push_back({ContextStep::Kind::kPrefill, 0, target, op});
    }
    state = states_++;
  }

  // An earlier op that did the same to the same, if some register holds its
  // result, or will hold that of the ops that follow at once.
  int SharedWith(int op, const PrefillOp& append) const {
    const int same = SameAs(op, slot_state_[Index(append.branch)], append);
    return same >= 0 && CanFollow(op, append.branch, after_[same])
               ? plan_.encoded_by[same]
               : -1;
  }

  int SameAs(int op, int state, const PrefillOp& append) const {
    for (int i = 0; i < op; ++i) {
      const auto* earlier = std::get_if<PrefillOp>(&ops_[i]);
      if (earlier != nullptr && before_[i] == state &&
          earlier->segment == append.segment) {
        return i;
      }
    }
    return -1;
  }

  bool CanFollow(int op, Branch branch, int state) const {
    if (Registers(state) > 0) return true;
    if (op + 1 >= static_cast<int>(ops_.size())) return false;
    const auto* next = std::get_if<PrefillOp>(&ops_[op + 1]);
    if (next == nullptr || next->branch != branch) return false;
    const int same = SameAs(op, state, *next);
    return same >= 0 && CanFollow(op + 1, branch, after_[same]);
  }

  int Registers(int state) const {
    int count = 0;
    for (const int held : registers_) count += held == state ? 1 : 0;
    return count;
  }

  // A register in `state` that `branch` may change: where it is the last one
  // and another branch needs the state too, a fork of it.
  int TakeRegister(Branch branch, int state) {
    int found = kNothing;
    for (size_t i = 0; i < registers_.size(); ++i) {
      if (registers_[i] != state) continue;
      if (found == kNothing || i == Index(branch)) found = static_cast<int>(i);
    }
    COOPER_CHECK(found != kNothing);
    bool needed = false;
    for (size_t i = 0; i < kBranches; ++i) {
      needed |= i != Index(branch) && slot_state_[i] == state;
    }
    return needed && Registers(state) == 1 ? Fork(found) : found;
  }

  int Fork(int from) {
    const int to = static_cast<int>(registers_.size());
    registers_.push_back(registers_[from]);
    plan_.steps.push_back({ContextStep::Kind::kFork, from, to, -1});
    return to;
  }

  // Gives every branch a register of its own that holds its state.
  void Bind() {
    plan_.branches.fill(-1);
    std::vector<bool> taken(registers_.size());
    for (size_t i = 0; i < kBranches; ++i) {
      if (slot_state_[i] == kNothing) continue;
      int held = -1;
      for (size_t r = 0; r < registers_.size(); ++r) {
        if (registers_[r] != slot_state_[i]) continue;
        held = static_cast<int>(r);
        if (!taken[r]) break;
      }
      COOPER_CHECK(held >= 0);
      if (taken[held]) {
        held = Fork(held);
        taken.push_back(false);
      }
      taken[held] = true;
      plan_.branches[i] = held;
    }
  }

  const std::vector<ContextOp>& ops_;
  const std::vector<std::optional<Branch>>& starts_with_;
  std::array<int, kBranches> slot_state_;
  std::vector<int> registers_;  // the state that each holds
  // Per branch: the state from which its text goes on, until it is used.
  std::array<int, kBranches> text_parent_;
  int states_ = 0;
  std::vector<int> before_, after_;  // per op: the state of its branch
  ContextPlan plan_;
};

}  // namespace

ContextPlan PlanContextOps(
    const std::vector<ContextOp>& ops, const ContextBranches& branches,
    const std::vector<std::optional<Branch>>& starts_with) {
  return Planner(ops, branches, starts_with).Plan();
}

}  // namespace cooper::engine
