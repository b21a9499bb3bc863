// staged_method.h: a method that uses all that the contract offers, as cheaply as it can be done, so that the harness
// and the contract suite can be tested with it: mixed precision with an allocation, parts kept in the checkpoint, a
// fused qkv weight as three linears, a parameter that is read under a condition, a text parameter with a check, labels,
// notes, and with `extras` all that a plan can hold besides.
#pragma once

#include <memory>

#include "core/method/method.h"

namespace ptq::testing {

// "staged", published as "Staged".  Parameters: shrink_weights (bool, true), shrink (0.1..1, 0.9; where
// shrink_weights), pattern (letters h and l, "hl"; mixed precision only): which groups, in turn, keep the target bits
// and which get two fewer; read_labels (bool, false): the note "labels" lists the classes of the calibration images;
// extras (bool, false): LayerNorm inputs are quantized, the left operand of pv has a log2 grid, and the head's weight a
// correction and, per channel, widths of its own.
std::unique_ptr<method::Method> MakeStaged();

}  // namespace ptq::testing
