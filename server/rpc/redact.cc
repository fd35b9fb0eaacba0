#include "server/rpc/redact.h"

#include <memory>

#include "cri-api/api.pb.h"

namespace crisp::rpc {
namespace {

namespace pb = ::google::protobuf;
namespace v1 = ::runtime::v1;

void Redact(pb::Message* message);

void RedactFields(pb::Message* message) {
  const pb::Reflection* reflection = message->GetReflection();
  std::vector<const pb::FieldDescriptor*> fields;
  reflection->ListFields(*message, &fields);
  for (const pb::FieldDescriptor* field : fields) {
    if (field->name() == "annotations") {
      reflection->ClearField(message, field);
      continue;
    }
    if (field->cpp_type() != pb::FieldDescriptor::CPPTYPE_MESSAGE || field->is_map()) continue;
    if (!field->is_repeated()) {
      Redact(reflection->MutableMessage(message, field));
      continue;
    }
    for (int i = 0; i < reflection->FieldSize(*message, field); ++i) {
      Redact(reflection->MutableRepeatedMessage(message, field, i));
    }
  }
}

void RedactCommand(pb::RepeatedPtrField<std::string>* command) {
  if (command->size() > 1) command->DeleteSubrange(1, command->size() - 1);
}

void Redact(pb::Message* message) {
  if (auto* auth = dynamic_cast<v1::AuthConfig*>(message)) {
    auth->Clear();
    auth->set_username("[redacted]");
  } else if (auto* variable = dynamic_cast<v1::KeyValue*>(message)) {
    variable->set_value("[redacted]");
  } else if (auto* sync = dynamic_cast<v1::ExecSyncRequest*>(message)) {
    RedactCommand(sync->mutable_cmd());
  } else if (auto* exec = dynamic_cast<v1::ExecRequest*>(message)) {
    RedactCommand(exec->mutable_cmd());
  } else {
    RedactFields(message);
  }
}

}  // namespace

std::string DescribeRequest(const pb::Message& request) {
  const std::unique_ptr<pb::Message> copy(request.New());
  copy->CopyFrom(request);
  Redact(copy.get());
  return copy->ShortDebugString();
}

}  // namespace crisp::rpc
