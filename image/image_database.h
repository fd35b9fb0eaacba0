// ImageDatabase: images.db.
//
// Persistence: SQLite in WAL mode. What removes something is committed with synchronous=FULL before
//           any directory goes away. What adds something is committed with NORMAL: its files are
//           not on disk yet either, and after a power cut both are dropped (a layer row says in
//           which boot it was written and whether a syncfs came after it; an image's own files
//           are synced before). An fsync there would wait for the write-back of the whole image.
// Schema:   version 2 in `user_version`:
//             images(id, listed, chain_id, content_bytes, created_ns, config)
//             image_layers(image_id, position, layer_key)       position 0 is the bottom
//             layers(key, diff_id, tied, opaque_root, size_bytes, inodes, durable, boot_id,
//                    quarantined)
//             names(reference, image_id, is_digest)
// Threads:  one at a time (the store's write lock).
// Errors:   kFailedPrecondition for a schema that is newer than this program.
#ifndef CRISP_IMAGE_IMAGE_DATABASE_H_
#define CRISP_IMAGE_IMAGE_DATABASE_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/core/result.h"
#include "base/database.h"
#include "image/image_service.h"
#include "image/layer.h"

namespace crisp::image {

struct ImageRow {
  std::string id;
  bool listed = true;
  std::string chain_id;
  int64_t content_bytes = 0;
  int64_t created_ns = 0;
  ImageConfig config;
  std::vector<std::string> layer_keys;  // bottom first
};
struct NameRow {
  std::string reference;
  std::string image_id;
  bool is_digest = false;
};
struct LayerRow {
  Layer layer;
  std::string boot_id;
};

class ImageDatabase {
 public:
  static Result<ImageDatabase> Open(const std::string& path, std::string boot_id);

  const std::string& boot_id() const { return boot_id_; }

  struct Contents {
    std::vector<ImageRow> images;
    std::vector<NameRow> names;
    std::vector<LayerRow> layers;
  };
  Result<Contents> Load();

  // Adds or replaces, all or nothing.
  Status Publish(const std::vector<ImageRow>& images, const std::vector<NameRow>& names,
                 const std::vector<const Layer*>& new_layers);
  // The image loses its names and is no longer listed; layers stay.
  Status Unlist(const std::string& image_id);
  Status Delete(const std::vector<std::string>& image_ids,
                const std::vector<std::string>& layer_keys);
  // Durably; a layer that is taken out of quarantine is new on disk.
  Status SetQuarantined(const std::string& layer_key, bool quarantined);
  Status MarkDurable(const std::vector<std::string>& layer_keys);

 private:
  ImageDatabase(std::unique_ptr<Database> db, std::string boot_id)
      : db_(std::move(db)), boot_id_(std::move(boot_id)) {}
  Status PutImage(const ImageRow& image);
  Status PutLayer(const Layer& layer);
  // Runs `sql`, which has one parameter, with each value.
  Status ForEach(std::string_view sql, const std::vector<std::string>& values);

  std::unique_ptr<Database> db_;
  std::string boot_id_;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_IMAGE_DATABASE_H_
