#include "server/logging.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <mutex>

#include "base/utf8.h"
#include "server/config/value.h"

namespace crisp {
namespace {

// Words that need no quotes in key=value text.
bool IsBare(std::string_view text) {
  if (text.empty()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (config::IsC1Control(text.substr(i))) return false;
    if (static_cast<unsigned char>(c) <= ' ' || c == '"' || c == '=' || c == 0x7f) return false;
  }
  return true;
}

spdlog::level::level_enum ToSpdlog(log::Level level) {
  switch (level) {
    case log::Level::kTrace:
      return spdlog::level::trace;
    case log::Level::kDebug:
      return spdlog::level::debug;
    case log::Level::kInfo:
      return spdlog::level::info;
    case log::Level::kWarning:
      return spdlog::level::warn;
    case log::Level::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

constexpr char kTextPattern[] = "%Y-%m-%dT%H:%M:%S.%eZ %-7l %v";
constexpr char kJsonPattern[] = R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})";

std::shared_ptr<spdlog::logger> MakeLogger(spdlog::sink_ptr sink, config::LogFormat format) {
  auto logger = std::make_shared<spdlog::logger>("crispd", std::move(sink));
  logger->set_level(spdlog::level::trace);  // base/log.h has filtered already
  logger->flush_on(spdlog::level::trace);   // a line that is lost at a crash is the one to read
  logger->set_error_handler([](const std::string&) {});  // a full disk must not end the daemon
  logger->set_formatter(std::make_unique<spdlog::pattern_formatter>(
      format == config::LogFormat::kJson ? kJsonPattern : kTextPattern,
      spdlog::pattern_time_type::utc));
  return logger;
}

}  // namespace

struct Logging::State {
  std::mutex mutex;  // guards what follows
  std::shared_ptr<spdlog::logger> logger;
  config::LogFormat format = config::LogFormat::kText;
};

Logging::Logging() : state_(std::make_shared<State>()) {
  state_->logger = MakeLogger(std::make_shared<spdlog::sinks::stderr_sink_mt>(), state_->format);
  log::SetSink([state = state_](log::Level level, std::string_view message,
                                std::span<const log::Field> fields) {
    std::shared_ptr<spdlog::logger> logger;
    config::LogFormat format;
    {
      std::lock_guard lock(state->mutex);
      logger = state->logger;
      format = state->format;
    }
    const std::string text = format == config::LogFormat::kJson ? FormatLogJson(message, fields)
                                                                : FormatLogText(message, fields);
    logger->log(ToSpdlog(level), spdlog::string_view_t(text.data(), text.size()));
  });
}

Logging::~Logging() = default;

Status Logging::Apply(const config::Log& options) {
  std::shared_ptr<spdlog::logger> logger;
  try {
    spdlog::sink_ptr sink;
    if (options.target == "stderr") {
      sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    } else {
      sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(options.target);
    }
    logger = MakeLogger(std::move(sink), options.format);
  } catch (const spdlog::spdlog_ex& error) {
    return Unavailable("log.target ", options.target, ": ", error.what());
  }
  {
    std::lock_guard lock(state_->mutex);
    state_->logger = std::move(logger);
    state_->format = options.format;
  }
  log::SetLevel(options.level);
  return OkStatus();
}

std::string FormatLogText(std::string_view message, std::span<const log::Field> fields) {
  std::string out(message);
  for (const log::Field& field : fields) {
    const std::string value = SanitizeUtf8(field.value);
    out += Cat(' ', field.key, '=', IsBare(value) ? value : config::JsonQuote(value));
  }
  return out;
}

std::string FormatLogJson(std::string_view message, std::span<const log::Field> fields) {
  std::string out = Cat("\"msg\":", config::JsonQuote(SanitizeUtf8(message)));
  for (const log::Field& field : fields) {
    out +=
        Cat(',', config::JsonQuote(field.key), ':', config::JsonQuote(SanitizeUtf8(field.value)));
  }
  return out;
}

}  // namespace crisp
