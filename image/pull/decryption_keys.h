// DecryptionKeys: the node's private keys for encrypted images.
//
// What:    the files of a directory (one level; names that begin with a dot are left out), or one
//          file; each with one key in PEM, its password, if it has one, in <file>.password.
//          Symbolic links are followed, as mounted secrets have them. A file that others than its
//          owner and group may touch, or that is not root's (the process' user's), is not used.
// Threads: a value.
// Errors:  a path that cannot be read. A missing one is no key at all, and a file that is not used
//          is no error: it may hold a certificate, and left_out() says why.
// Keys are in memory as long as this is, and nowhere else: what was read is wiped.
#ifndef CRISP_IMAGE_PULL_DECRYPTION_KEYS_H_
#define CRISP_IMAGE_PULL_DECRYPTION_KEYS_H_

#include <string>
#include <vector>

#include "base/core/result.h"
#include "image/pull/private_key.h"

namespace crisp::image {

inline constexpr size_t kMaxDecryptionKeys = 64;
inline constexpr size_t kMaxKeyFileBytes = 64u << 10;

class DecryptionKeys {
 public:
  struct Named {
    std::string file;
    PrivateKey key;
  };

  // Empty path: none.
  static Result<DecryptionKeys> Read(const std::string& path);

  const std::string& path() const { return path_; }
  const std::vector<Named>& keys() const { return keys_; }
  // "<file>: <why it is not used>"
  const std::vector<std::string>& left_out() const { return left_out_; }

 private:
  std::string path_;
  std::vector<Named> keys_;
  std::vector<std::string> left_out_;
};

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_DECRYPTION_KEYS_H_
