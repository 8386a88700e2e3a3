#include "client/report/usage_html.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/report/html.h"

namespace cooper::client {
namespace {

struct Phase {
  const char* css_class;
  const char* label;
  double ms;
};

// The phases that took time, and what is left of the total. Phases of
// concurrent work overlap, so their sum may pass the total.
std::vector<Phase> PhasesOf(const v1::Usage& usage) {
  std::vector<Phase> phases = {
      {"queued", "queued", usage.queued_ms()},
      {"prefill", "prefill", usage.prefill_ms()},
      {"decode", "decode", usage.decode_ms()},
      {"denoise", "denoise", usage.denoise_ms()},
      {"vae", "VAE", usage.vae_ms()},
      {"image", "image files", usage.image_ms()},
  };
  double sum = 0;
  for (const Phase& phase : phases) sum += std::max(phase.ms, 0.0);
  phases.push_back({"other", "other", usage.total_ms() - sum});
  std::erase_if(phases, [&](const Phase& phase) {
    return !(phase.ms > 0.005 * usage.total_ms());
  });
  return phases;
}

void AppendNumber(int64_t count, absl::string_view one, absl::string_view many,
                  std::string* html) {
  absl::StrAppend(html, "<li><b>", count, "</b> ", count == 1 ? one : many,
                  "</li>");
}

}  // namespace

std::string UsageSection(const v1::Usage& usage) {
  std::string bar;
  std::string legend;
  std::string label = "Time by phase:";
  for (const Phase& phase : PhasesOf(usage)) {
    const std::string time = EscapeHtml(HumanMilliseconds(phase.ms));
    absl::StrAppendFormat(&bar,
                          "<i class=\"%s\" style=\"flex-grow:%.3f\" "
                          "title=\"%s: %s\"></i>",
                          phase.css_class, phase.ms, phase.label, time);
    absl::StrAppend(&legend, "<li><i class=\"dot ", phase.css_class, "\"></i>",
                    phase.label, " <b>", time, "</b></li>");
    absl::StrAppend(&label, " ", phase.label, " ", time, ";");
  }
  std::string numbers;
  AppendNumber(usage.input_tokens(), "token read", "tokens read", &numbers);
  AppendNumber(usage.output_tokens(), "token written", "tokens written",
               &numbers);
  AppendNumber(usage.maps(), "map", "maps", &numbers);
  AppendNumber(usage.denoise_steps(), "denoising step", "denoising steps",
               &numbers);
  return absl::StrCat(
      "<section class=\"usage\"><h2>Where the ",
      EscapeHtml(HumanMilliseconds(usage.total_ms())), " went</h2>\n",
      "<div class=\"bar\" role=\"img\" aria-label=\"", label, "\">", bar,
      "</div>\n<ul class=\"phases\">", legend, "</ul>\n<ul class=\"numbers\">",
      numbers, "</ul></section>\n");
}

}  // namespace cooper::client
