// WWW-Authenticate: the challenges of a registry.
//
// Contract: RFC 7235 section 4.1 (several challenges in one header, quoted strings); distribution
//           "Token Authentication Specification" for Bearer's parameters.
#ifndef CRISP_IMAGE_PULL_AUTH_CHALLENGE_H_
#define CRISP_IMAGE_PULL_AUTH_CHALLENGE_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace crisp::image {

struct AuthChallenge {
  std::string scheme;                         // in lower case
  std::map<std::string, std::string> params;  // names in lower case
  std::string Param(const std::string& name) const;
};

// What is malformed ends the list.
std::vector<AuthChallenge> ParseChallenges(std::string_view header);

}  // namespace crisp::image

#endif  // CRISP_IMAGE_PULL_AUTH_CHALLENGE_H_
