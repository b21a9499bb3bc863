// sample_report.h: a report with every kind of row, for the tests of the page.
#pragma once

#include "results/report/html_report.h"

namespace ptq::results {

// Two models of twelve blocks, thirteen methods at three widths with seeds, published figures and verdicts; rows that
// failed, collapsed, are unsupported, were not run or have a warning; times in two settings; mixed widths;
// sensitivities by op and by block.
Report SampleReport();

}  // namespace ptq::results
