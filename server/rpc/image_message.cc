#include "server/rpc/image_message.h"

#include <charconv>
#include <cstdint>
#include <optional>

#include "base/utf8.h"
#include "server/config/value.h"

namespace crisp::rpc {
namespace {

using config::Value;

// Digits and nothing else: "-0" is no number to who resolves it either.
std::optional<int64_t> ParseUid(const std::string& text) {
  uint64_t uid = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, uid);
  if (parsed.ec != std::errc() || parsed.ptr != end || uid > INT64_MAX) return std::nullopt;
  return static_cast<int64_t>(uid);
}

Value TextList(const std::vector<std::string>& all) {
  Value out = Value::List();
  for (const std::string& text : all) out.items.push_back(Value::String(text));
  return out;
}

}  // namespace

void FillImage(const image::Image& image, ::runtime::v1::Image* message) {
  message->set_id(image.id);
  for (const std::string& tag : image.repo_tags) message->add_repo_tags(tag);
  for (const std::string& digest : image.repo_digests) message->add_repo_digests(digest);
  message->set_size(static_cast<uint64_t>(image.size_bytes));
  // cri-contract section 12.2: the part before ':'; an empty user sets neither field.
  const std::string user = image.config.user.substr(0, image.config.user.find(':'));
  if (const auto uid = ParseUid(user)) {
    message->mutable_uid()->set_value(*uid);
  } else if (!user.empty()) {
    message->set_username(SanitizeUtf8(user));
  }
  // The id, not the reference of the request: messages must not depend on how one asked.
  message->mutable_spec()->set_image(image.id);
  message->set_pinned(image.pinned);
}

std::string ImageInfoJson(const image::Image& image) {
  Value config = Value::Map();
  config.Add("User", Value::String(image.config.user));
  config.Add("Env", TextList(image.config.env));
  config.Add("Entrypoint", TextList(image.config.entrypoint));
  config.Add("Cmd", TextList(image.config.cmd));
  config.Add("WorkingDir", Value::String(image.config.working_dir));
  config.Add("StopSignal", Value::String(image.config.stop_signal));
  Value volumes = Value::Map();
  for (const std::string& volume : image.config.volumes) volumes.Add(volume, Value::Map());
  config.Add("Volumes", std::move(volumes));
  Value labels = Value::Map();
  for (const auto& [key, value] : image.config.labels) labels.Add(key, Value::String(value));
  config.Add("Labels", std::move(labels));

  Value rootfs = Value::Map();
  rootfs.Add("type", Value::String("layers"));
  rootfs.Add("diff_ids", TextList(image.diff_ids));
  Value spec = Value::Map();
  spec.Add("config", std::move(config));
  spec.Add("rootfs", std::move(rootfs));
  Value out = Value::Map();
  out.Add("chainID", Value::String(image.chain_id));
  out.Add("imageSpec", std::move(spec));
  return SanitizeUtf8(config::ToJson(out));
}

}  // namespace crisp::rpc
