#include <fstream>
#include <iostream>

#include "tests/report/sample_report.h"

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: write_sample_page FILE\n";
    return 2;
  }
  std::ofstream file(argv[1], std::ios::binary);
  file << ptq::results::RenderHtml(ptq::results::SampleReport());
  return file.flush() ? 0 : 1;
}
