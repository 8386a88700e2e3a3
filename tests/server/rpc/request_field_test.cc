// Fields that are refused, each by its path.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <string>

#include "server/engine/core/error.h"
#include "server/rpc/request_parser.h"
#include "tests/server/rpc/request_parser_fixture.h"
#include "tests/testing/status_matchers.h"

namespace cooper::rpc {
namespace {

// One wrong field each.
struct BadField {
  const char* field;
  const char* message;
  std::function<void(v1::ReasonRequest*)> spoil;
};

class BadFieldTest : public RequestParserTest,
                     public ::testing::WithParamInterface<BadField> {};

TEST_P(BadFieldTest, IsRefusedByItsPath) {
  v1::ReasonRequest wire = Question();
  GetParam().spoil(&wire);
  ExpectRefused(wire, GetParam().field, GetParam().message);
}

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

#define SPOIL(expr) [](v1::ReasonRequest* r) { expr; }
const BadField kBadFields[] = {
    {"inputs", "required", SPOIL(r->clear_inputs())},
    {"inputs", "not blank", SPOIL(r->mutable_inputs(1)->set_text(" \n\t"))},
    {"inputs", "not blank",
     SPOIL(r->mutable_inputs(1)->set_text("\xc2\xa0\xe3\x80\x80\xe2\x80\x8b"))},
    {"inputs", "not blank", SPOIL(r->mutable_inputs()->RemoveLast())},
    {"inputs", "at most 64",
     SPOIL(while (r->inputs_size() < 65) r->add_inputs()->set_text("a"))},
    {"inputs[1]", "one of image and text",
     SPOIL(r->mutable_inputs(1)->Clear())},
    {"inputs[1].text", "1001 bytes together, at most 1000",
     SPOIL(r->mutable_inputs(1)->set_text(std::string(1001, 'a')))},
    {"inputs[2].text", "1001 bytes together, at most 1000",
     SPOIL(r->mutable_inputs(1)->set_text(std::string(1000, 'a'));
           r->add_inputs()->set_text("b"))},
    {"mode", "unknown value 99", SPOIL(r->set_mode(static_cast<v1::Mode>(99)))},
    {"max_turns", "[1, 16], not 0", SPOIL(r->set_max_turns(0))},
    {"max_turns", "[1, 16], not 17", SPOIL(r->set_max_turns(17))},
    {"max_turns", "not -1", SPOIL(r->set_max_turns(-1))},
    {"max_think_tokens", "[2, 5000], not 0", SPOIL(r->set_max_think_tokens(0))},
    {"max_think_tokens", "not 1", SPOIL(r->set_max_think_tokens(1))},
    {"max_think_tokens", "not 5001", SPOIL(r->set_max_think_tokens(5001))},
    {"max_think_tokens", "not -1", SPOIL(r->set_max_think_tokens(-1))},
    {"max_think_tokens", "not 2147483647",
     SPOIL(r->set_max_think_tokens(2147483647))},
    {"sampling.temperature", "not -1",
     SPOIL(r->mutable_sampling()->set_temperature(-1))},
    {"sampling.temperature", "not nan",
     SPOIL(r->mutable_sampling()->set_temperature(kNan))},
    {"sampling.temperature", "not inf",
     SPOIL(r->mutable_sampling()->set_temperature(kInf))},
    {"sampling.temperature", "not -inf",
     SPOIL(r->mutable_sampling()->set_temperature(-kInf))},
    {"sampling.temperature", "[0, 100]",
     SPOIL(r->mutable_sampling()->set_temperature(1e38))},
    {"sampling.top_p", "(0, 1], not 0",
     SPOIL(r->mutable_sampling()->set_top_p(0))},
    {"sampling.top_p", "not 1.0001",
     SPOIL(r->mutable_sampling()->set_top_p(1.0001))},
    {"flow.num_timesteps", "[2, 1000], not 0",
     SPOIL(r->mutable_flow()->set_num_timesteps(0))},
    {"flow.num_timesteps", "not 1",
     SPOIL(r->mutable_flow()->set_num_timesteps(1))},
    {"flow.num_timesteps", "not -1",
     SPOIL(r->mutable_flow()->set_num_timesteps(-1))},
    {"flow.num_timesteps", "not 2147483647",
     SPOIL(r->mutable_flow()->set_num_timesteps(2147483647))},
    {"flow.timestep_shift", "[0.01, 100], not 0",
     SPOIL(r->mutable_flow()->set_timestep_shift(0))},
    {"flow.timestep_shift", "not 1e-09",
     SPOIL(r->mutable_flow()->set_timestep_shift(1e-9))},
    {"flow.cfg_text_scale", "not -0.1",
     SPOIL(r->mutable_flow()->set_cfg_text_scale(-0.1))},
    {"flow.cfg_text_scale", "[0, 100]",
     SPOIL(r->mutable_flow()->set_cfg_text_scale(1e9))},
    {"flow.cfg_img_scale", "not nan",
     SPOIL(r->mutable_flow()->set_cfg_img_scale(kNan))},
    {"flow.cfg_interval_low", "[0, 1], not -0.1",
     SPOIL(r->mutable_flow()->set_cfg_interval_low(-0.1))},
    {"flow.cfg_interval_high", "[0, 1], not 1.1",
     SPOIL(r->mutable_flow()->set_cfg_interval_high(1.1))},
    {"flow.cfg_interval_low", "must not be above",
     SPOIL(r->mutable_flow()->set_cfg_interval_low(0.6);
           r->mutable_flow()->set_cfg_interval_high(0.5))},
    {"flow.cfg_renorm_min", "not 2",
     SPOIL(r->mutable_flow()->set_cfg_renorm_min(2))},
    {"flow.cfg_renorm_type", "unknown value 7",
     SPOIL(r->mutable_flow()->set_cfg_renorm_type(
         static_cast<v1::RenormType>(7)))},
    {"output.preview_every", "[0, 1000], not -1",
     SPOIL(r->mutable_output()->set_preview_every(-1))},
    {"output.preview_every", "not 1001",
     SPOIL(r->mutable_output()->set_preview_every(1001))},
    {"output.roles[0]", "unknown value 0",
     SPOIL(r->mutable_output()->add_roles(v1::MAP_ROLE_UNSPECIFIED))},
    {"output.roles[0]", "unknown value 9",
     SPOIL(r->mutable_output()->add_roles(static_cast<v1::MapRole>(9)))},
    {"output.roles[1]", "given twice",
     SPOIL(r->mutable_output()->add_roles(v1::MAP_ROLE_VALUES);
           r->mutable_output()->add_roles(v1::MAP_ROLE_VALUES))},
    {"output.depth_encoding", "not PNG_RGB8",
     SPOIL(r->mutable_output()->set_depth_encoding(v1::MAP_ENCODING_PNG_RGB8))},
    {"output.depth_encoding", "unknown value 9",
     SPOIL(r->mutable_output()->set_depth_encoding(
         static_cast<v1::MapEncoding>(9)))},
    {"request_id", "129 bytes, at most 128",
     SPOIL(r->set_request_id(std::string(129, 'a')))},
    {"request_id", "1048576 bytes",
     SPOIL(r->set_request_id(std::string(1 << 20, 'a')))},
    {"request_id", "printable ASCII", SPOIL(r->set_request_id("a\nb"))},
    {"request_id", "printable ASCII", SPOIL(r->set_request_id("\xc3\xa4"))},
};
#undef SPOIL

INSTANTIATE_TEST_SUITE_P(All, BadFieldTest, ::testing::ValuesIn(kBadFields),
                         [](const auto& info) {
                           return "Case" + std::to_string(info.index);
                         });

}  // namespace
}  // namespace cooper::rpc
