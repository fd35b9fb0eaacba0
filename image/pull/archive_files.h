// ArchiveFiles: the files of an image archive by name, in a directory or in a tar file.
//
// What:    OCI layouts are directories; OCI archives and docker archives are tar files, which may
// be
//          compressed as a whole. The tar is indexed once and then read where a file lies.
// Threads: Stream from several threads; the rest by one owner.
// Errors:  kNotFound for names that are not there; names cannot lead outside.
#ifndef CRISP_IMAGE_PULL_ARCHIVE_FILES_H_
#define CRISP_IMAGE_PULL_ARCHIVE_FILES_H_

#include <memory>
#include <string>

#include "base/core/result.h"
#include "image/pull/byte_stream.h"

namespace crisp::image {

class ArchiveFiles {
 public:
  // `tmp_dir`: where a compressed archive is expanded to.
  static Result<std::unique_ptr<ArchiveFiles>> Open(const std::string& path,
                                                    const std::string& tmp_dir);
  virtual ~ArchiveFiles() = default;

  virtual bool Has(const std::string& name) const = 0;
  virtual Status Stream(const std::string& name, const ByteSink& sink,
                        const StopFlag& stop) const = 0;
  // A small file whole.
  Result<std::string> Read(const std::string& name, size_t limit_bytes) const;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_ARCHIVE_FILES_H_
