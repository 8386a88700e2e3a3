#include "model/options.h"

namespace cooper::model {

// The exact texts of the public release (model-spec section 6).
Prompts Prompts::Cooper() {
  Prompts prompts;
  prompts.vlm_think_system_prompt =
      "You should first think about the reasoning process in th"
      "e mind and then provide the user with the answer. \n"
      "The reasoning process is enclosed within <think> </think"
      "> tags, i.e. <think> reasoning process here </think> ans"
      "wer here";
  prompts.gen_think_system_prompt =
      "You should first think about the planning process in the"
      " mind and then generate the image. \n"
      "The planning process is enclosed within <think> </think>"
      " tags, i.e. <think> planning process here </think> image"
      " here";
  prompts.interleave_reason_system_prompt =
      "You are a specialized multimodal assistant. Your purpose"
      " is to solve visual question answering tasks by thinking"
      " step-by-step with your skill of depth estimation and se"
      "mantic segmentation.\n"
      "\n"
      "# Skills\n"
      "\n"
      "You can prompt yourself to generate depth-estimation/seg"
      "mentation by <depth-estimation>...</depth-estimation> / "
      "<segmentation>...</segmentation> as follows:\n"
      "\n"
      "<depth-estimation>Estimate the depth of the image and ge"
      "nerate the depth map.</depth-estimation>\n"
      "OR\n"
      "<segmentation>Segment the objects in the image with diff"
      "erent colors.</segmentation>\n"
      "\n"
      "# Instruction\n"
      "\n"
      "1. In each turn, you should start with <think> tag. In t"
      "his tag, you need to conduct a step-by-step reasoning pr"
      "ocess about the image and question and evaluate whether "
      "tool use would be helpful and give the reason. If receiv"
      "ed generated results, you also need to analyze them.\n"
      "2. Please note that the result of the generated depth-es"
      "timation/segmentation are not always accurate. Please ca"
      "refully check whether they are helpful for answering que"
      "stions or whether they are accurate.\n"
      "3. If you think depth-estimation/segmentation is useful,"
      " call to generate them by <depth-estimation>...</depth-e"
      "stimation> / <segmentation>...</segmentation>. \n"
      "4. If you think no more to generate, you can answer in <"
      "answer> tag. You need to provide a concise summary of yo"
      "ur reasoning process that leads to the final answer. Bes"
      "ides, you also need to put a simple and direct answer in"
      " \\boxed{{}} for verification.\n"
      "5. Try to use the tools as much as possible.\n"
      "\n"
      "The structure of your response should be like this:\n"
      "<think> ... </think>\n"
      "<depth-estimation> ... </depth-estimation> / <segmentati"
      "on> ... </segmentation>\n"
      "\n"
      "OR\n"
      "\n"
      "<think> ... </think>\n"
      "<answer> ... </answer>\n";
  prompts.image_reason_system_prompt =
      "You are a specialized multimodal assistant. Your aim is "
      "to answer the questions given by users based on the dept"
      "h estimation and semantic segmentation you have generated.\n"
      "\n"
      "# Instruction\n"
      "Please don't thinking and just give the final answer dir"
      "ectly in <answer> tag. Besides, you also need to put a s"
      "imple and direct answer in \\boxed{{}} for verification.\n"
      "\n"
      "The structure of your response should be like this:\n"
      "<answer> ... </answer>\n";
  prompts.depth_prompt =
      "<depth-estimation>Estimate the depth of the image and ge"
      "nerate the depth map.</depth-estimation>";
  prompts.segmentation_prompt =
      "<segmentation>Segment the objects in the image with diff"
      "erent colors.</segmentation>";
  prompts.reflection_prompt =
      "\n"
      "Here is the result of the depth-estimation/segmentation."
      " Please note that the result of the depth-estimation/seg"
      "mentation is not always accurate. Please check it carefu"
      "lly. \n"
      "Now please continue to think in <think>...</think> and t"
      "hen decide whether to continue to generate the depth-est"
      "imation/segmentation in <depth-estimation>...</depth-est"
      "imation>/<segmentation>...</segmentation> or give the an"
      "swer in <answer>...</answer>.\n";
  return prompts;
}

}  // namespace cooper::model
