#include <fstream>
#include <iostream>

#include "tests/report/sample_report.h"

namespace {

bool Write(const ptq::results::Report& report, const char* path) {
  std::ofstream file(path, std::ios::binary);
  file << ptq::results::RenderHtml(report) << std::flush;
  return file.good();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: write_sample_page SAMPLE EMPTY\n";
    return 2;
  }
  return Write(ptq::results::SampleReport(), argv[1]) && Write({}, argv[2]) ? 0 : 1;
}
