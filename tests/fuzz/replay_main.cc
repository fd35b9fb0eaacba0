// fuzz_replay TARGET [FILE|DIRECTORY]...: runs a target without libFuzzer, with any compiler.
//
// What: the empty input, some generic nasty ones, every file, and prefixes of every file (all of a
//       short one, 64 of a longer one). Each input is in a block of memory of exactly its size, so
//       that the address sanitizer sees a read beyond it. Prints each name before it is run.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>

#include "fuzz.h"

namespace crisp::fuzz {
namespace {

constexpr size_t kPrefixes = 64;

void RunOne(const Target& target, std::string_view input) {
  const auto copy = std::make_unique<char[]>(input.size());
  if (!input.empty()) std::memcpy(copy.get(), input.data(), input.size());
  target.run(std::string_view(copy.get(), input.size()));
}

std::string Repeated(std::string_view text, size_t times) {
  std::string out;
  for (size_t i = 0; i < times; ++i) out += text;
  return out;
}

// What breaks careless parsers of any format: depth, length, bytes that are no text.
std::vector<std::string> NastyInputs() {
  std::string every_byte;
  for (int i = 0; i < 256; ++i) every_byte.push_back(static_cast<char>(i));
  return {"",
          "\n",
          every_byte,
          std::string(70000, '\0'),
          std::string(70000, '\xff'),
          std::string(70000, '['),
          std::string(70000, '\n'),
          std::string(70000, ' '),
          std::string(70000, '9'),
          std::string(70000, '/'),
          std::string(70000, ':'),
          Repeated("{\"a\":", 20000),
          Repeated("{\"a\":", 20000) + "1" + std::string(20000, '}'),
          std::string(20000, '[') + std::string(20000, ']'),
          Repeated("../", 2000),
          Repeated("a=b,", 2000),
          Repeated("- ", 5000)};
}

void RunFile(const Target& target, const std::filesystem::path& path) {
  std::printf("%s\n", path.c_str());
  std::ifstream file(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  RunOne(target, text);
  const size_t step = std::max<size_t>(1, text.size() / kPrefixes);
  for (size_t size = step; size < text.size(); size += step) {
    RunOne(target, std::string_view(text).substr(0, size));
  }
}

int Run(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IONBF, 0);
  const Target* target = FindTarget(argc > 1 ? argv[1] : "");
  if (target == nullptr) {
    std::printf("usage: fuzz_replay TARGET [FILE|DIRECTORY]...\ntargets:\n");
    for (const Target& known : Targets()) std::printf("  %s\n", std::string(known.name).c_str());
    return 2;
  }
  int number = 0;
  for (const std::string& input : NastyInputs()) {
    std::printf("nasty input %d\n", number++);
    RunOne(*target, input);
  }
  size_t files = 0;
  for (int i = 2; i < argc; ++i) {
    std::vector<std::filesystem::path> paths{argv[i]};
    if (std::filesystem::is_directory(argv[i])) {
      paths.assign(std::filesystem::directory_iterator(argv[i]), {});
      std::sort(paths.begin(), paths.end());
    }
    for (const auto& path : paths) RunFile(*target, path);
    files += paths.size();
  }
  std::printf("%s: %zu files\n", argv[1], files);
  return argc > 2 && files == 0 ? 1 : 0;
}

}  // namespace
}  // namespace crisp::fuzz

int main(int argc, char** argv) { return crisp::fuzz::Run(argc, argv); }
