#ifndef COOPER_SERVER_ENGINE_EXECUTION_CONTEXT_PLAN_H_
#define COOPER_SERVER_ENGINE_EXECUTION_CONTEXT_PLAN_H_

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "server/engine/program/program.h"

namespace cooper::engine {

// Turns a program's ops into as few encodings as possible: where two branches
// hold the same thing and get the same segment, it is encoded once and forked.
//
// The plan works on registers, each of which holds one context. Register i
// (< kBranches) starts as branch i's context; new ones are numbered upwards.

struct ContextStep {
  enum class Kind {
    kFork,         // register `to` becomes a fork of register `from`
    kPrefill,      // op's segment onto register `to`
    kPrefillTail,  // register `to` holds a decoded text, the start of op's
                   // segment: append the rest of it
  };
  Kind kind = Kind::kPrefill;
  int from = 0;
  int to = 0;
  int op = -1;  // index of the op whose segment it is; -1: a fork
  friend bool operator==(const ContextStep&, const ContextStep&) = default;
};

struct ContextPlan {
  std::vector<ContextStep> steps;
  // Per op: the op whose encoding it shares (itself, if it has its own); -1
  // for a ForkOp.
  std::vector<int> encoded_by;
  // Per branch: the register that is its context afterwards; -1: none, as for a
  // branch that had none and was not named.
  std::array<int, kBranches> branches = {};
  int registers = kBranches;
};

struct ContextBranches {
  // Per branch: its context's lineage, where it has one.
  std::array<bool, kBranches> exists = {};
  std::array<uint64_t, kBranches> lineage = {};
  // kScratch was forked from a context of this lineage and then got a text, of
  // which kScratchStart has the start.
  uint64_t scratch_parent = 0;
};

// Pure. `starts_with[i]`: op i appends a text that begins with what this one,
// kScratch or kScratchStart, got since the fork; nullopt: with neither. Every
// branch that an op reads must exist. The two are gone afterwards.
ContextPlan PlanContextOps(
    const std::vector<ContextOp>& ops, const ContextBranches& branches,
    const std::vector<std::optional<Branch>>& starts_with);

}  // namespace cooper::engine

#endif  // COOPER_SERVER_ENGINE_EXECUTION_CONTEXT_PLAN_H_
