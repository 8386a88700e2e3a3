#include "client/report/map_html.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/proto_names.h"
#include "client/report/html.h"

namespace cooper::client {
namespace {

// A segmentation's tail is specks of colour; a list that long helps nobody.
constexpr int kMaxRegions = 16;

// The images: the map and, where there is one, the input that it was generated
// from.
// `overlay` lies over both.
std::string Panes(absl::string_view url, absl::string_view alt,
                  const MapBlock& map, absl::string_view beside,
                  absl::string_view overlay) {
  const auto& started = map.started;
  std::string size;
  if (started.width() > 0 && started.height() > 0) {
    size = absl::StrCat(" width=\"", started.width(), "\" height=\"",
                        started.height(), "\"");
  }
  const absl::string_view crisp = CrispClass(started.width());
  std::string html = absl::StrCat(
      "<div class=\"panes\"><div class=\"pane\"><img class=\"shot", crisp,
      "\" src=\"", url, "\"", size, " alt=\"", EscapeHtml(alt), "\">", overlay,
      "<i class=\"cross\"></i></div>");
  if (!beside.empty()) {
    absl::StrAppend(&html, "<div class=\"pane twin\"><img class=\"shot", crisp,
                    "\" data-copy-of=\"", beside, "\"", size,
                    " alt=\"The image, for comparison\">", overlay,
                    "<i class=\"cross\"></i></div>");
  }
  return html + "</div>\n";
}

// The values of a depth map, for the script: base64 in a block that no browser
// runs or shows.
std::string DepthValues(const MapBlock& map) {
  const v1::MapResult* values = map.Find(v1::MAP_ROLE_VALUES);
  if (values == nullptr) return "";
  return absl::StrCat(
      "<script type=\"text/plain\" class=\"values\" "
      "data-encoding=\"",
      ShortName(values->encoding()), "\" data-width=\"", values->width(),
      "\" data-height=\"", values->height(), "\">",
      absl::Base64Escape(values->data()), "</script>\n");
}

constexpr absl::string_view kDepthLegend =
    "<div class=\"legend\"><span>near</span><div class=\"ramp\" role=\"img\" "
    "aria-label=\"Colours from near, dark red, over yellow and green to far, "
    "violet\"><i class=\"range\"></i><i class=\"mark\"></i></div>"
    "<span>far</span></div>\n"
    "<output class=\"reading\"></output>\n";

const v1::MapResult* WithRegions(const MapBlock& map) {
  for (const v1::MapResult& result : map.results) {
    if (result.regions_size() > 0) return &result;
  }
  return nullptr;
}

// In 64 bits: a broken server may send any corner.
int64_t Extent(int64_t first, int64_t last) {
  return std::max(last - first, int64_t{0});
}

std::string RegionBoxes(const v1::MapResult& map) {
  std::string svg = absl::StrCat("<svg class=\"boxes\" viewBox=\"0 0 ",
                                 map.width(), " ", map.height(),
                                 "\" preserveAspectRatio=\"none\" "
                                 "aria-hidden=\"true\">");
  const int count = std::min(map.regions_size(), kMaxRegions);
  for (int i = 0; i < count; ++i) {
    const v1::Region& box = map.regions(i);
    // The frame around the box dims all that is outside it.
    absl::StrAppend(&svg, "<g data-region=\"", i,
                    "\"><path class=\"dim\" "
                    "fill-rule=\"evenodd\" d=\"M0 0H",
                    map.width(), "V", map.height(), "H0ZM", box.left(), " ",
                    box.top(), "H", box.right(), "V", box.bottom(), "H",
                    box.left(), "Z\"/><rect x=\"", box.left(), "\" y=\"",
                    box.top(), "\" width=\"", Extent(box.left(), box.right()),
                    "\" height=\"", Extent(box.top(), box.bottom()),
                    "\"/></g>");
  }
  return svg + "</svg>";
}

std::string RegionList(const v1::MapResult& map) {
  const double map_px =
      std::max(1.0, static_cast<double>(map.width()) * map.height());
  std::string html = "<ol class=\"regions\">";
  const int count = std::min(map.regions_size(), kMaxRegions);
  for (int i = 0; i < count; ++i) {
    const v1::Region& region = map.regions(i);
    absl::StrAppendFormat(
        &html,
        "<li data-region=\"%d\" tabindex=\"0\"><i class=\"swatch\" "
        "style=\"background:#%06x\"></i><b>%.1f&#8239;%%</b> "
        "<span>x&#8239;%d&#8211;%d, y&#8239;%d&#8211;%d</span></li>",
        i, region.colour() & 0xFFFFFF,
        100.0 * static_cast<double>(region.area()) / map_px, region.left(),
        region.right(), region.top(), region.bottom());
  }
  html += "</ol>\n";
  if (map.regions_size() > count) {
    absl::StrAppend(&html, "<p class=\"note\">and ", map.regions_size() - count,
                    " smaller ones</p>\n");
  }
  return html;
}

std::string Filmstrip(const MapBlock& map) {
  if (map.previews.empty()) return "";
  std::string html =
      "<div class=\"film\" tabindex=\"0\" role=\"group\" aria-label=\"How the "
      "map was generated, step by step\">";
  for (const MapBlock::Preview& preview : map.previews) {
    absl::StrAppend(&html, "<div><img class=\"",
                    CrispClass(map.started.width()), "\" src=\"",
                    ImageUrl(preview.png), "\" alt=\"After step ", preview.step,
                    "\" loading=\"lazy\"><span>", preview.step,
                    "</span></div>");
  }
  return html + "</div>\n";
}

std::string UnfinishedFigure(const MapBlock& map) {
  std::string html = "<figure class=\"map unfinished\">";
  const std::string alt =
      absl::StrCat("Unfinished ", MapNoun(map.started.kind()), " after step ",
                   map.steps_done, " of ", map.started.num_steps());
  if (!map.previews.empty()) {
    absl::StrAppend(&html,
                    Panes(ImageUrl(map.previews.back().png), alt, map, "", ""));
  }
  return absl::StrCat(html, "<figcaption>", alt, ".</figcaption></figure>\n");
}

}  // namespace

std::string MapFigure(const MapBlock& map, absl::string_view beside) {
  const v1::MapKind kind = map.started.kind();
  const v1::MapResult* display = map.ForEyes();
  const bool depth = kind == v1::MAP_KIND_DEPTH;
  if (map.results.empty()) return UnfinishedFigure(map);

  std::string html =
      absl::StrCat("<figure class=\"map ", depth ? "depth" : "", "\">\n");
  const v1::MapResult* regions = WithRegions(map);
  if (display != nullptr) {
    const std::string alt =
        absl::StrCat("The ", MapNoun(kind), " that the model drew, ",
                     display->width(), " by ", display->height(), " pixels");
    html += Panes(ImageUrl(display->data()), alt, map, beside,
                  regions != nullptr ? RegionBoxes(*regions) : "");
  } else {
    html +=
        "<p class=\"note\">Only its numbers were asked for: they are in "
        "the folder of this report.</p>\n";
  }
  if (depth && display != nullptr) {
    absl::StrAppend(&html, kDepthLegend, DepthValues(map));
  }
  if (regions != nullptr) html += RegionList(*regions);
  html += Filmstrip(map);
  return html + "</figure>\n";
}

absl::string_view CrispClass(int width_px) {
  return width_px > 0 && width_px <= 256 ? " crisp" : "";
}

absl::string_view MapNoun(v1::MapKind kind) {
  switch (kind) {
    case v1::MAP_KIND_DEPTH:
      return "depth map";
    case v1::MAP_KIND_SEGMENTATION:
      return "segmentation";
    case v1::MAP_KIND_IMAGE:
      return "image";
    default:
      return "map";
  }
}

}  // namespace cooper::client
