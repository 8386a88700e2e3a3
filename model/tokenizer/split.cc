#define PCRE2_CODE_UNIT_WIDTH 8
#include "model/tokenizer/split.h"

#include <pcre2.h>

#include <string>

#include "absl/strings/str_replace.h"
#include "base/check.h"

namespace cooper::tokenizer {

const char* const kQwenPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

namespace {

// Unicode's White_Space, which `\s` means in the reference; PCRE2's `\s` also
// takes U+180E.
constexpr char kSpaces[] =
    R"(\x09-\x0d\x20\x85\xa0\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f})"
    R"(\x{205f}\x{3000})";

std::string PcrePattern() {
  const std::string spaces = kSpaces;
  return absl::StrReplaceAll(
      kQwenPattern, {{R"([^\s\p{L}\p{N}])", "[^" + spaces + R"(\p{L}\p{N}])"},
                     {R"(\s)", "[" + spaces + "]"},
                     {R"(\S)", "[^" + spaces + "]"}});
}

}  // namespace

struct WordSplitter::Code {
  pcre2_code* compiled = nullptr;
  ~Code() { pcre2_code_free(compiled); }
};

WordSplitter::WordSplitter() {
  const std::string pattern = PcrePattern();
  int error = 0;
  PCRE2_SIZE error_offset = 0;
  auto code = std::make_unique<Code>();
  code->compiled = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()),
                                 pattern.size(), PCRE2_UTF | PCRE2_UCP, &error,
                                 &error_offset, nullptr);
  COOPER_CHECK(code->compiled != nullptr);
  // Where executable memory is forbidden this fails, and matching interprets.
  pcre2_jit_compile(code->compiled, PCRE2_JIT_COMPLETE);
  code_ = std::move(code);
}

WordSplitter::~WordSplitter() = default;

std::vector<absl::string_view> WordSplitter::Split(
    absl::string_view text) const {
  std::vector<absl::string_view> words;
  const std::unique_ptr<pcre2_match_data, void (*)(pcre2_match_data*)> match(
      pcre2_match_data_create(1, nullptr), pcre2_match_data_free);
  COOPER_CHECK(match != nullptr);
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  size_t begin = 0;
  while (begin < text.size()) {
    // Unchecked: the check would run over the whole rest for every word.
    const int found =
        pcre2_match(code_->compiled, subject, text.size(), begin,
                    PCRE2_ANCHORED | PCRE2_NO_UTF_CHECK, match.get(), nullptr);
    // Some alternative takes any character, so a failure is a resource limit
    // of PCRE2's: the rest then is one word.
    const size_t end =
        found > 0 ? pcre2_get_ovector_pointer(match.get())[1] : text.size();
    COOPER_CHECK(end > begin);
    words.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return words;
}

}  // namespace cooper::tokenizer
