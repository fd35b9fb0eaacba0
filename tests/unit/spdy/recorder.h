// Recorder: keeps what a spdy::Connection reports, one line per event.
#ifndef CRISP_TESTS_UNIT_SPDY_RECORDER_H_
#define CRISP_TESTS_UNIT_SPDY_RECORDER_H_

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "server/spdy/connection.h"

namespace crisp::spdy {

class Recorder : public Connection::Events {
 public:
  virtual ~Recorder() = default;

  void OnStream(StreamId id, const Headers& headers, bool fin) override {
    std::string line = Cat("stream ", id);
    for (const Header& header : headers.all()) {
      line += Cat(" ", header.name, "=");
      for (size_t i = 0; i < header.values.size(); ++i) {
        line += Cat(i > 0 ? "|" : "", header.values[i]);
      }
    }
    Add(line + (fin ? " fin" : ""));
    if (on_stream) on_stream(id);
  }
  // Pieces of one stream's data are put together: how they are cut is not for a test to see.
  void OnData(StreamId id, std::string_view data, bool fin) override {
    const std::string begin = Cat("data ", id, " ");
    if (lines.empty() || lines.back().rfind(begin, 0) != 0 || was_fin_) lines.push_back(begin);
    lines.back() += data;
    was_fin_ = fin;
    if (fin) lines.back() += " fin";
    pieces.push_back(data);
    if (on_data) on_data(id);
  }
  void OnReset(StreamId id, ResetStatus status) override {
    Add(Cat("reset ", id, " ", static_cast<uint32_t>(status)));
  }
  void OnGoaway() override { Add("goaway"); }

  std::vector<std::string> lines;
  std::vector<std::string_view> pieces;
  std::function<void(StreamId)> on_stream;
  std::function<void(StreamId)> on_data;

 private:
  void Add(std::string line) {
    lines.push_back(std::move(line));
    was_fin_ = false;
  }

  bool was_fin_ = false;
};

// "80 03 00 01" and "80030001" to bytes.
inline std::string FromHex(std::string_view hex) {
  std::string digits;
  for (char c : hex) {
    if (c != ' ') digits.push_back(c);
  }
  std::string out;
  for (size_t i = 0; i + 1 < digits.size(); i += 2) {
    out.push_back(static_cast<char>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  }
  return out;
}

inline std::string ToHex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (char c : bytes) {
    out.push_back(kDigits[static_cast<unsigned char>(c) >> 4]);
    out.push_back(kDigits[static_cast<unsigned char>(c) & 15]);
  }
  return out;
}

}  // namespace crisp::spdy

#endif  // CRISP_TESTS_UNIT_SPDY_RECORDER_H_
