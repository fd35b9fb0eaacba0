#include "image/image_database.h"

#include <sys/stat.h>

#include "image/image_config.h"

namespace crisp::image {
namespace {

constexpr int64_t kSchemaVersion = 1;

constexpr char kSchema[] = R"sql(
CREATE TABLE images(
  id TEXT PRIMARY KEY, listed INTEGER NOT NULL, chain_id TEXT NOT NULL,
  content_bytes INTEGER NOT NULL, created_ns INTEGER NOT NULL, config TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE image_layers(
  image_id TEXT NOT NULL, position INTEGER NOT NULL, layer_key TEXT NOT NULL,
  PRIMARY KEY(image_id, position)
) WITHOUT ROWID;
CREATE TABLE layers(
  key TEXT PRIMARY KEY, diff_id TEXT NOT NULL, tied INTEGER NOT NULL,
  opaque_root INTEGER NOT NULL, size_bytes INTEGER NOT NULL, inodes INTEGER NOT NULL,
  durable INTEGER NOT NULL, boot_id TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE names(
  reference TEXT PRIMARY KEY, image_id TEXT NOT NULL, is_digest INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX names_by_image ON names(image_id);
PRAGMA user_version = 1;
)sql";

}  // namespace

Result<ImageDatabase> ImageDatabase::Open(const std::string& path, std::string boot_id) {
  ImageDatabase database(CRISP_TRY(SqliteConnection::Open(path)), std::move(boot_id));
  // Environments of images may hold secrets. The WAL gets the same mode.
  if (::chmod(path.c_str(), 0600) != 0) return Errno("set mode of ", path);
  CRISP_RETURN_IF_ERROR(database.connection_.Execute("PRAGMA journal_mode=WAL").Wrap(path));
  CRISP_RETURN_IF_ERROR(database.connection_.Execute("PRAGMA synchronous=FULL").Wrap(path));
  CRISP_RETURN_IF_ERROR(database.Migrate().Wrap(path));
  return database;
}

Status ImageDatabase::Migrate() {
  int64_t version = 0;
  {
    Statement query = CRISP_TRY(connection_.Prepare("PRAGMA user_version"));
    if (CRISP_TRY(query.Step())) version = query.Int(0);
  }
  if (version == kSchemaVersion) return OkStatus();
  if (version > kSchemaVersion) {
    return FailedPrecondition("schema version ", version, " is newer than ", kSchemaVersion,
                              ", which this program knows; use the crisp that wrote it");
  }
  return connection_.Transaction([&] { return connection_.Execute(kSchema); });
}

Result<ImageDatabase::Contents> ImageDatabase::Load() {
  Contents out;
  Statement images = CRISP_TRY(connection_.Prepare(
      "SELECT id, listed, chain_id, content_bytes, created_ns, config FROM images ORDER BY id"));
  std::map<std::string, size_t> positions;
  while (CRISP_TRY(images.Step())) {
    ImageRow row;
    row.id = images.Text(0);
    row.listed = images.Int(1) != 0;
    row.chain_id = images.Text(2);
    row.content_bytes = images.Int(3);
    row.created_ns = images.Int(4);
    row.config = CRISP_TRY(ConfigFromJson(CRISP_TRY(ParseJson(images.Text(5), "stored config"))));
    positions[row.id] = out.images.size();
    out.images.push_back(std::move(row));
  }
  Statement members = CRISP_TRY(connection_.Prepare(
      "SELECT image_id, layer_key FROM image_layers ORDER BY image_id, position"));
  while (CRISP_TRY(members.Step())) {
    const auto image = positions.find(members.Text(0));
    if (image != positions.end()) out.images[image->second].layer_keys.push_back(members.Text(1));
  }
  Statement layers = CRISP_TRY(connection_.Prepare(
      "SELECT key, diff_id, tied, opaque_root, size_bytes, inodes, durable, boot_id FROM layers"));
  while (CRISP_TRY(layers.Step())) {
    LayerRow row;
    row.layer = {
        layers.Text(0), layers.Text(1), layers.Int(2) != 0, layers.Int(3) != 0, layers.Int(4),
        layers.Int(5),  true,           layers.Int(6) != 0};
    row.boot_id = layers.Text(7);
    out.layers.push_back(std::move(row));
  }
  Statement names =
      CRISP_TRY(connection_.Prepare("SELECT reference, image_id, is_digest FROM names"));
  while (CRISP_TRY(names.Step())) {
    out.names.push_back({names.Text(0), names.Text(1), names.Int(2) != 0});
  }
  return out;
}

Status ImageDatabase::PutImage(const ImageRow& image) {
  Statement put = CRISP_TRY(connection_.Prepare(
      "INSERT OR REPLACE INTO images(id, listed, chain_id, content_bytes, created_ns, config) "
      "VALUES(?, ?, ?, ?, ?, ?)"));
  put.Bind(image.id).Bind(int64_t{image.listed}).Bind(image.chain_id).Bind(image.content_bytes);
  put.Bind(image.created_ns).Bind(DumpJson(ConfigToJson(image.config)));
  CRISP_RETURN_IF_ERROR(put.Run());
  Statement clear = CRISP_TRY(connection_.Prepare("DELETE FROM image_layers WHERE image_id = ?"));
  CRISP_RETURN_IF_ERROR(clear.Bind(image.id).Run());
  Statement add = CRISP_TRY(connection_.Prepare(
      "INSERT INTO image_layers(image_id, position, layer_key) VALUES(?, ?, ?)"));
  int64_t position = 0;
  for (const std::string& key : image.layer_keys) {
    CRISP_RETURN_IF_ERROR(add.Bind(image.id).Bind(position++).Bind(key).Run());
  }
  return OkStatus();
}

Status ImageDatabase::PutLayer(const Layer& layer) {
  Statement put = CRISP_TRY(connection_.Prepare(
      "INSERT OR REPLACE INTO layers(key, diff_id, tied, opaque_root, size_bytes, inodes, durable,"
      " boot_id) VALUES(?, ?, ?, ?, ?, ?, 0, ?)"));
  put.Bind(layer.key).Bind(layer.diff_id).Bind(int64_t{layer.tied});
  put.Bind(int64_t{layer.opaque_root}).Bind(layer.size_bytes).Bind(layer.inodes).Bind(boot_id_);
  return put.Run();
}

Status ImageDatabase::Publish(const std::vector<ImageRow>& images,
                              const std::vector<NameRow>& names,
                              const std::vector<const Layer*>& new_layers) {
  CRISP_RETURN_IF_ERROR(connection_.Execute("PRAGMA synchronous=NORMAL"));
  Status status = connection_.Transaction([&]() -> Status {
    for (const Layer* layer : new_layers) CRISP_RETURN_IF_ERROR(PutLayer(*layer));
    for (const ImageRow& image : images) CRISP_RETURN_IF_ERROR(PutImage(image));
    Statement put = CRISP_TRY(connection_.Prepare(
        "INSERT OR REPLACE INTO names(reference, image_id, is_digest) VALUES(?, ?, ?)"));
    for (const NameRow& name : names) {
      CRISP_RETURN_IF_ERROR(
          put.Bind(name.reference).Bind(name.image_id).Bind(int64_t{name.is_digest}).Run());
    }
    return OkStatus();
  });
  CRISP_RETURN_IF_ERROR(connection_.Execute("PRAGMA synchronous=FULL"));
  return std::move(status).Wrap("images.db");
}

Status ImageDatabase::Unlist(const std::string& image_id) {
  return connection_
      .Transaction([&]() -> Status {
        Statement unlist =
            CRISP_TRY(connection_.Prepare("UPDATE images SET listed = 0 WHERE id = ?"));
        CRISP_RETURN_IF_ERROR(unlist.Bind(image_id).Run());
        Statement names = CRISP_TRY(connection_.Prepare("DELETE FROM names WHERE image_id = ?"));
        return names.Bind(image_id).Run();
      })
      .Wrap("images.db");
}

Status ImageDatabase::Delete(const std::vector<std::string>& image_ids,
                             const std::vector<std::string>& layer_keys) {
  return connection_
      .Transaction([&]() -> Status {
        for (const char* sql :
             {"DELETE FROM images WHERE id = ?", "DELETE FROM image_layers WHERE image_id = ?",
              "DELETE FROM names WHERE image_id = ?"}) {
          Statement statement = CRISP_TRY(connection_.Prepare(sql));
          for (const std::string& id : image_ids) {
            CRISP_RETURN_IF_ERROR(statement.Bind(id).Run());
          }
        }
        Statement layer = CRISP_TRY(connection_.Prepare("DELETE FROM layers WHERE key = ?"));
        for (const std::string& key : layer_keys) {
          CRISP_RETURN_IF_ERROR(layer.Bind(key).Run());
        }
        return OkStatus();
      })
      .Wrap("images.db");
}

Status ImageDatabase::MarkDurable(const std::vector<std::string>& layer_keys) {
  return connection_
      .Transaction([&]() -> Status {
        Statement mark =
            CRISP_TRY(connection_.Prepare("UPDATE layers SET durable = 1 WHERE key = ?"));
        for (const std::string& key : layer_keys) {
          CRISP_RETURN_IF_ERROR(mark.Bind(key).Run());
        }
        return OkStatus();
      })
      .Wrap("images.db");
}

}  // namespace crisp::image
