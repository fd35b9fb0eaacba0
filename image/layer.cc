#include "image/layer.h"

#include <unordered_set>

namespace crisp::image {
namespace {

std::string HexOf(const std::string& digest) { return digest.substr(digest.find(':') + 1); }

}  // namespace

std::string FreeLayerKey(const std::string& diff_id) { return HexOf(diff_id); }
std::string TiedLayerKey(const std::string& chain_id) { return "c-" + HexOf(chain_id); }

std::vector<std::string> LowerNames(const std::vector<LayerPtr>& bottom_first) {
  std::vector<std::string> names;
  std::unordered_set<std::string> seen;
  for (auto layer = bottom_first.rbegin(); layer != bottom_first.rend(); ++layer) {
    if (seen.insert((*layer)->key).second) names.push_back((*layer)->key);
    if ((*layer)->opaque_root) break;
  }
  return names;
}

}  // namespace crisp::image
