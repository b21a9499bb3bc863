#include "data/catalog/toml_nesting.h"

namespace ptq::data {
namespace {

class Scanner {
 public:
  Scanner(std::string_view text, int limit) : text_(text), limit_(limit) {}

  std::optional<SourcePosition> Run() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '#') {
        SkipComment();
        continue;
      }
      if (c == '"' || c == '\'') {
        SkipString(c);
        continue;
      }
      Count(c);
      if (outer_levels_ + dots_ > limit_) {
        return Position();
      }
      ++at_;
    }
    return std::nullopt;
  }

 private:
  // Levels of the statement so far: brackets, and the dots of the keys around and inside them.
  void Count(char c) {
    switch (c) {
      case '.':
        ++dots_;
        break;
      case '[':
      case '{':
        outer_dots_.push_back(dots_);
        outer_levels_ += dots_ + 1;
        dots_ = 0;
        break;
      case ']':
      case '}':
        if (!outer_dots_.empty()) {
          outer_levels_ -= outer_dots_.back() + 1;
          outer_dots_.pop_back();
        }
        dots_ = 0;
        break;
      case ',':
      case '\n':
        dots_ = 0;
        break;
      default:
        break;
    }
  }

  void SkipComment() {
    while (at_ < text_.size() && text_[at_] != '\n') {
      ++at_;
    }
  }

  bool Starts(std::string_view mark) const { return text_.compare(at_, mark.size(), mark) == 0; }

  // A basic ("), literal (') or multi-line (three quotes) string; an unclosed one-line string ends at the line's end.
  void SkipString(char quote) {
    const std::string_view triple = quote == '"' ? "\"\"\"" : "'''";
    const bool many_lines = Starts(triple);
    at_ += many_lines ? 3 : 1;
    while (at_ < text_.size()) {
      if (quote == '"' && text_[at_] == '\\') {
        at_ += 2;
      } else if (many_lines ? Starts(triple) : text_[at_] == quote) {
        at_ += many_lines ? 3 : 1;
        while (many_lines && at_ < text_.size() && text_[at_] == quote) {
          ++at_;  // up to two quotes may stand right before the closing three
        }
        return;
      } else if (!many_lines && text_[at_] == '\n') {
        return;
      } else {
        ++at_;
      }
    }
  }

  SourcePosition Position() const {
    SourcePosition position;
    for (size_t i = 0; i < at_; ++i) {
      const bool continuation = (static_cast<unsigned char>(text_[i]) & 0xC0U) == 0x80U;
      position.column += continuation ? 0 : 1;
      if (text_[i] == '\n') {
        ++position.line;
        position.column = 1;
      }
    }
    return position;
  }

  std::string_view text_;
  int limit_;
  size_t at_ = 0;
  std::vector<int> outer_dots_;  // of the keys before each open bracket
  int outer_levels_ = 0, dots_ = 0;
};

}  // namespace

std::optional<SourcePosition> DeeperThan(std::string_view text, int limit) { return Scanner(text, limit).Run(); }

}  // namespace ptq::data
