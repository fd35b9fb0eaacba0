#include "image/image_database.h"

#include <array>

#include "image/image_config.h"

namespace crisp::image {
namespace {

constexpr std::array<std::string_view, 2> kMigrations = {R"sql(
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
)sql",
                                                         R"sql(
ALTER TABLE layers ADD COLUMN quarantined INTEGER NOT NULL DEFAULT 0;
)sql"};

}  // namespace

Result<ImageDatabase> ImageDatabase::Open(const std::string& path, std::string boot_id) {
  auto db = CRISP_TRY(Database::Open(path, Durability::kFull, kMigrations));
  return ImageDatabase(std::move(db), std::move(boot_id));
}

Result<ImageDatabase::Contents> ImageDatabase::Load() {
  using Row = Database::Row;
  Contents out;
  std::map<std::string, size_t> positions;
  CRISP_RETURN_IF_ERROR(db_->Execute(
      "SELECT id, listed, chain_id, content_bytes, created_ns, config FROM images ORDER BY id", {},
      [&](const Row& read) -> Status {
        ImageRow row;
        row.id = read.Text(0);
        row.listed = read.Int(1) != 0;
        row.chain_id = read.Text(2);
        row.content_bytes = read.Int(3);
        row.created_ns = read.Int(4);
        row.config = CRISP_TRY(ConfigFromJson(CRISP_TRY(ParseJson(read.Text(5), "stored config"))));
        positions[row.id] = out.images.size();
        out.images.push_back(std::move(row));
        return OkStatus();
      }));
  CRISP_RETURN_IF_ERROR(
      db_->Execute("SELECT image_id, layer_key FROM image_layers ORDER BY image_id, position", {},
                   [&](const Row& read) {
                     const auto image = positions.find(read.Text(0));
                     if (image != positions.end()) {
                       out.images[image->second].layer_keys.push_back(read.Text(1));
                     }
                     return OkStatus();
                   }));
  CRISP_RETURN_IF_ERROR(db_->Execute(
      "SELECT key, diff_id, tied, opaque_root, size_bytes, inodes, durable, boot_id, "
      "quarantined FROM layers",
      {}, [&](const Row& read) {
        LayerRow row;
        row.layer = {read.Text(0), read.Text(1), read.Int(2) != 0, read.Int(3) != 0, read.Int(4),
                     read.Int(5),  true,         read.Int(6) != 0, read.Int(8) != 0};
        row.boot_id = read.Text(7);
        out.layers.push_back(std::move(row));
        return OkStatus();
      }));
  CRISP_RETURN_IF_ERROR(
      db_->Execute("SELECT reference, image_id, is_digest FROM names", {}, [&](const Row& read) {
        out.names.push_back({read.Text(0), read.Text(1), read.Int(2) != 0});
        return OkStatus();
      }));
  return out;
}

Status ImageDatabase::PutImage(const ImageRow& image) {
  const std::string config = DumpJson(ConfigToJson(image.config));
  CRISP_RETURN_IF_ERROR(db_->Execute(
      "INSERT OR REPLACE INTO images(id, listed, chain_id, content_bytes, created_ns, config) "
      "VALUES(?, ?, ?, ?, ?, ?)",
      {image.id, int64_t{image.listed}, image.chain_id, image.content_bytes, image.created_ns,
       config}));
  CRISP_RETURN_IF_ERROR(db_->Execute("DELETE FROM image_layers WHERE image_id = ?", {image.id}));
  int64_t position = 0;
  for (const std::string& key : image.layer_keys) {
    CRISP_RETURN_IF_ERROR(
        db_->Execute("INSERT INTO image_layers(image_id, position, layer_key) VALUES(?, ?, ?)",
                     {image.id, position++, key}));
  }
  return OkStatus();
}

Status ImageDatabase::PutLayer(const Layer& layer) {
  return db_->Execute(
      "INSERT OR REPLACE INTO layers(key, diff_id, tied, opaque_root, size_bytes, inodes, durable,"
      " boot_id) VALUES(?, ?, ?, ?, ?, ?, 0, ?)",
      {layer.key, layer.diff_id, int64_t{layer.tied}, int64_t{layer.opaque_root},
       static_cast<int64_t>(layer.size_bytes), static_cast<int64_t>(layer.inodes), boot_id_});
}

Status ImageDatabase::Publish(const std::vector<ImageRow>& images,
                              const std::vector<NameRow>& names,
                              const std::vector<const Layer*>& new_layers) {
  CRISP_RETURN_IF_ERROR(db_->Configure("PRAGMA synchronous=NORMAL"));
  Status status = db_->Transaction([&]() -> Status {
    for (const Layer* layer : new_layers) CRISP_RETURN_IF_ERROR(PutLayer(*layer));
    for (const ImageRow& image : images) CRISP_RETURN_IF_ERROR(PutImage(image));
    for (const NameRow& name : names) {
      CRISP_RETURN_IF_ERROR(db_->Execute(
          "INSERT OR REPLACE INTO names(reference, image_id, is_digest) VALUES(?, ?, ?)",
          {name.reference, name.image_id, int64_t{name.is_digest}}));
    }
    return OkStatus();
  });
  CRISP_RETURN_IF_ERROR(db_->Configure("PRAGMA synchronous=FULL"));
  return std::move(status).Wrap("images.db");
}

Status ImageDatabase::Unlist(const std::string& image_id) {
  return db_
      ->Transaction([&]() -> Status {
        CRISP_RETURN_IF_ERROR(
            db_->Execute("UPDATE images SET listed = 0 WHERE id = ?", {image_id}));
        return db_->Execute("DELETE FROM names WHERE image_id = ?", {image_id});
      })
      .Wrap("images.db");
}

Status ImageDatabase::ForEach(std::string_view sql, const std::vector<std::string>& values) {
  for (const std::string& value : values) CRISP_RETURN_IF_ERROR(db_->Execute(sql, {value}));
  return OkStatus();
}

Status ImageDatabase::Delete(const std::vector<std::string>& image_ids,
                             const std::vector<std::string>& layer_keys) {
  return db_
      ->Transaction([&]() -> Status {
        for (std::string_view sql :
             {"DELETE FROM images WHERE id = ?", "DELETE FROM image_layers WHERE image_id = ?",
              "DELETE FROM names WHERE image_id = ?"}) {
          CRISP_RETURN_IF_ERROR(ForEach(sql, image_ids));
        }
        return ForEach("DELETE FROM layers WHERE key = ?", layer_keys);
      })
      .Wrap("images.db");
}

Status ImageDatabase::SetQuarantined(const std::string& layer_key, bool quarantined) {
  Status status =
      quarantined ? db_->Execute("UPDATE layers SET quarantined = 1 WHERE key = ?", {layer_key})
                  : db_->Execute(
                        "UPDATE layers SET quarantined = 0, durable = 0, boot_id = ? WHERE key = ?",
                        {boot_id_, layer_key});
  return std::move(status).Wrap("images.db");
}

Status ImageDatabase::MarkDurable(const std::vector<std::string>& layer_keys) {
  return db_
      ->Transaction(
          [&] { return ForEach("UPDATE layers SET durable = 1 WHERE key = ?", layer_keys); })
      .Wrap("images.db");
}

}  // namespace crisp::image
