// Reads values in memory for the checks of judging_inputs.h.
#pragma once

#include "../core/types.h"

namespace calibench {

struct HostValues {
  // Whether all `count` indices lie in [0, limit).
  bool all_inside(const int32_t* indices, int64_t count, int64_t limit) const {
    bool inside = true;
    for (int64_t i = 0; i < count; ++i) inside &= indices[i] >= 0 && indices[i] < limit;
    return inside;
  }

  // Whether `count` ends rise from 0 to at most `most`.
  bool rise(const int64_t* ends, int64_t count, int64_t most) const {
    int64_t last = 0;
    for (int64_t s = 0; s < count; last = ends[s++]) {
      if (ends[s] < last || ends[s] > most) return false;
    }
    return true;
  }

  bool labels_inside(const LabelView& labels, int64_t rows, int64_t classes) const {
    bool inside = true;
    for (int64_t i = 0; i < rows; ++i) inside &= labels.at(i) >= 0 && labels.at(i) < classes;
    return inside;
  }
};

}  // namespace calibench
