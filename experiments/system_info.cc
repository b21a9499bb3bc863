#include "experiments/system_info.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <dnnl.h>
#include <elf.h>
#include <malloc.h>
#include <sched.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <torch/version.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <ctime>
#include <fstream>
#include <limits>
#include <set>
#include <sstream>

#include "core/base/fast_start.h"
#include "experiments/revision.h"

namespace ptq::experiments {
namespace {

// The value of the first `key : value` line of a /proc or /etc file.
std::string FieldOf(const char* path, const std::string& key, char separator) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind(key, 0) != 0) {
      continue;
    }
    const size_t at = line.find(separator);
    if (at == std::string::npos) {
      continue;
    }
    const size_t begin = line.find_first_not_of(" \t\"", at + 1);
    const size_t end = line.find_last_not_of(" \t\"");
    return begin == std::string::npos ? "" : line.substr(begin, end - begin + 1);
  }
  return "";
}

std::string SortedWords(const std::string& text) {
  std::istringstream words(text);
  std::set<std::string> sorted;
  std::string word;
  while (words >> word) {
    sorted.insert(word);
  }
  std::string joined;
  for (const std::string& each : sorted) {
    joined += (joined.empty() ? "" : " ") + each;
  }
  return joined;
}

// The CPU features that decide which kernels can run.
std::string KernelFeatures(const std::string& flags) {
  std::istringstream words(flags);
  std::string word;
  std::string kept;
  while (words >> word) {
    if (word == "avx2" || word == "fma" || word.rfind("avx512", 0) == 0 || word.rfind("avx_vnni", 0) == 0 ||
        word.rfind("amx", 0) == 0) {
      kept += (kept.empty() ? "" : " ") + word;
    }
  }
  return kept;
}

// The compiler's options, from the section in which -frecord-gcc-switches left them; empty where there is none.
std::string RecordedFlags() {
  std::ifstream file("/proc/self/exe", std::ios::binary);
  auto read = [&](uint64_t offset, uint64_t size) {
    std::string bytes(size, '\0');
    file.seekg(static_cast<std::streamoff>(offset));
    file.read(bytes.data(), static_cast<std::streamsize>(size));
    return bytes;
  };
  auto section = [&](const Elf64_Ehdr& header, size_t index) {
    Elf64_Shdr entry{};
    const std::string bytes = read(header.e_shoff + index * sizeof(entry), sizeof(entry));
    std::memcpy(&entry, bytes.data(), sizeof(entry));
    return entry;
  };
  Elf64_Ehdr header{};
  std::memcpy(&header, read(0, sizeof(header)).data(), sizeof(header));
  const Elf64_Shdr names = section(header, header.e_shstrndx);
  const std::string name_table = read(names.sh_offset, names.sh_size);
  for (size_t i = 0; file && i < header.e_shnum; ++i) {
    const Elf64_Shdr entry = section(header, i);
    if (entry.sh_name < name_table.size() && std::strcmp(&name_table[entry.sh_name], ".GCC.command.line") == 0) {
      const std::string text = read(entry.sh_offset, entry.sh_size);
      return text.substr(0, text.find('\0'));
    }
  }
  return "";
}

std::string OneDnnVersion() {
  const dnnl_version_t* version = dnnl_version();
  return std::to_string(version->major) + "." + std::to_string(version->minor) + "." + std::to_string(version->patch);
}

}  // namespace

results::HostRecord ThisHost() {
  results::HostRecord host;
  host.cpu_model = FieldOf("/proc/cpuinfo", "model name", ':');
  host.cpu_flags = SortedWords(FieldOf("/proc/cpuinfo", "flags", ':'));
  host.logical_cores = sysconf(_SC_NPROCESSORS_ONLN);
  struct sysinfo memory {};
  if (sysinfo(&memory) == 0) {
    host.memory_bytes = static_cast<int64_t>(memory.totalram) * memory.mem_unit;
  }
  utsname system{};
  uname(&system);
  host.os = FieldOf("/etc/os-release", "PRETTY_NAME", '=') + ", " + system.sysname + " " + system.release;
  return host;
}

results::BuildRecord ThisBuild() {
  results::BuildRecord build;
  build.version = PTQBENCH_VERSION;
  build.revision = Revision();
  build.compiler = std::string("g++ ") + __VERSION__;
  build.flags = RecordedFlags();
  build.libraries = std::string("LibTorch ") + TORCH_VERSION + "; BLAS " + LoadedBlas().name + " " + OpenBlasKernels() +
                    "; oneDNN " + OneDnnVersion() + "; SQLite " + sqlite3_libversion();
  return build;
}

BlasInfo LoadedBlas() {
  std::ifstream maps("/proc/self/maps");
  std::string line;
  while (std::getline(maps, line)) {
    const size_t slash = line.find('/');
    if (slash == std::string::npos) {
      continue;
    }
    const std::string path = line.substr(slash);
    const std::string file = path.substr(path.rfind('/') + 1);
    if (file.rfind("libblas.so", 0) != 0 && file.rfind("libopenblas", 0) != 0) {
      continue;
    }
    if (path.find("openblas-openmp") != std::string::npos) {
      return {path, "OpenBLAS (OpenMP)", false};
    }
    if (path.find("openblas") != std::string::npos) {
      return {path, "OpenBLAS (pthread)", false};
    }
    return {path, "reference BLAS", true};
  }
  return {"", "bundled with LibTorch", false};
}

std::string DescribeBuild() {
  const results::BuildRecord build = ThisBuild();
  const results::HostRecord host = ThisHost();
  const BlasInfo blas = LoadedBlas();
  std::ostringstream text;
  text << "ptqbench      " << build.version << "\n"
       << "revision      " << (build.revision.empty() ? "unknown" : build.revision) << "\n"
       << "compiler      " << build.compiler << "\n"
       << "flags         " << build.flags << "\n"
       << "LibTorch      " << TORCH_VERSION << "\n"
       << "BLAS          " << blas.name << (blas.path.empty() ? "" : "  " + blas.path) << "\n"
       << "BLAS kernels  " << OpenBlasKernels() << "\n"
       << "oneDNN        " << OneDnnVersion() << "\n"
       << "SQLite        " << sqlite3_libversion() << "\n"
       << "CPU           " << host.cpu_model << "\n"
       << "CPU features  " << KernelFeatures(host.cpu_flags) << "\n"
       << "threads       " << at::get_num_threads() << " of " << host.logical_cores << " logical cores\n"
       << "system        " << host.os << "\n";
  return text.str();
}

void KeepFreedMemory() {
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  mallopt(M_TOP_PAD, 64 << 20);
}

void ResetPeakMemory() { std::ofstream("/proc/self/clear_refs") << "5"; }

int64_t PeakMemoryBytes() {
  const std::string kilobytes = FieldOf("/proc/self/status", "VmHWM", ':');
  if (!kilobytes.empty()) {
    return std::strtoll(kilobytes.c_str(), nullptr, 10) * 1024;
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<int64_t>(usage.ru_maxrss) * 1024;
}

std::string UsableCpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof(set), &set) != 0) {
    return "unknown";
  }
  std::vector<int> cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) {
      cpus.push_back(cpu);
    }
  }
  return CpuListText(cpus);
}

std::string CpuListText(const std::vector<int>& cpus) {
  std::string text;
  for (size_t i = 0; i < cpus.size();) {
    size_t last = i;
    while (last + 1 < cpus.size() && cpus[last + 1] == cpus[last] + 1) {
      ++last;
    }
    text += (text.empty() ? "" : ",") + std::to_string(cpus[i]);
    text += last > i ? "-" + std::to_string(cpus[last]) : "";
    i = last + 1;
  }
  return text;
}

std::string UtcNow() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[32];
  std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

std::string ProgramIdentity() {
  struct stat file {};
  if (stat("/proc/self/exe", &file) != 0) {
    return Revision();
  }
  return Revision() + " " + std::to_string(file.st_size) + " " + std::to_string(file.st_mtim.tv_sec) + "." +
         std::to_string(file.st_mtim.tv_nsec);
}

}  // namespace ptq::experiments
